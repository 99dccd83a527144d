"""How are trainings sent to other processes? Each makes the same run and does a cell at a time."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddoq import world
from ddoq.artifacts import StageRecord
from ddoq.console import Console
from ddoq.errors import ResourceError
from ddoq.evaluation.cell import Cell
from ddoq.evaluation.grid import draw, tables
from ddoq.evaluation.measure import measure
from ddoq.evaluation.rows import entries
from ddoq.processes import finished

if TYPE_CHECKING:
    from ddoq.run import Run

# (table, row, seed, student), each as a number in the recipe's lists.
Job = tuple[int, int, int, int]

_run: "Run | None" = None


@dataclass(frozen=True)
class Task:
    """What a worker needs to know to make the same run."""

    recipe: dict[str, Any]
    """As plain data."""
    ranks: int
    """How many ranks trained what `pretrain` makes."""


def cell_of(run: "Run", job: Job) -> Cell:
    """Return the training that a job's numbers mean."""
    number, row, seed, student = job
    recipe, table = run.recipe, tables(run)[number]
    return Cell(
        draw(run, entries(recipe)[row], seed),
        recipe.students[student],
        table.protocol,
        recipe.seed + seed,
        table.teacher,
    )


def over_processes(
    task: Task, waiting: list[Job], workers: int, devices: list[str]
) -> Iterator[list[StageRecord]]:
    """Yield what the trainings cost that processes of this machine do, with a device each."""
    context = multiprocessing.get_context("spawn")
    places = context.Queue()
    for number in range(workers):
        places.put(devices[number % len(devices)] if devices else None)
    pool = ProcessPoolExecutor(workers, context, _begin, (task, os.getpid(), places))
    yield from finished(
        pool,
        lambda: [pool.submit(_train, job) for job in waiting],
        remedy="run it again with evaluation.workers=1; what is finished is kept",
    )


def over_ray(task: Task, waiting: list[Job], *, uses_gpus: bool) -> Iterator[list[StageRecord]]:
    """Send the jobs to a Ray cluster: that of RAY_ADDRESS, or one on this machine."""
    try:
        import ray
    except ImportError as error:
        raise ResourceError("Ray is not installed", "pip install 'ddoq[ray]'") from error
    ray.init(ignore_reinit_error=True, log_to_driver=False, include_dashboard=False)
    try:
        needs = {"num_cpus": task.recipe["threads"] or 1, "num_gpus": int(uses_gpus)}
        train = ray.remote(_train_remotely).options(**needs)
        left = [train.remote(task, job) for job in waiting]
        while left:
            [done], left = ray.wait(left, num_returns=1)
            yield ray.get(done)
    finally:
        ray.shutdown()


def _train_remotely(task: Task, job: Job) -> list[StageRecord]:
    """Train one cell in a process that Ray keeps for the next one."""
    if _run is None:
        _make_run(task)
    return _train(job)


def _begin(task: Task, parent: int, places: Any) -> None:
    """Make the worker's own run of the same recipe, and end it when the parent is gone."""
    # An interrupt reaches the parent, which takes the workers down.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    world.forget()
    device = places.get()
    if device is not None:
        # Read when CUDA is first used, which is later.
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    _make_run(task)


def _make_run(task: Task) -> None:
    from ddoq.recipe import from_plain
    from ddoq.run import Run

    global _run
    _run = Run(from_plain(task.recipe), Console(is_silent=True), ranks=task.ranks)


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(143)


def _train(job: Job) -> list[StageRecord]:
    """Train one cell and return what it cost."""
    assert _run is not None
    _run.records.clear()
    measure(_run, cell_of(_run, job))
    return [r for r in _run.records if r.stage in ("labels", "cell")]
