"""How are trainings sent to other processes? Each makes the same run and does a cell at a time."""

import dataclasses
import multiprocessing
import os
import signal
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.console import Console
from ddoq.errors import ResourceError
from ddoq.evaluation.cell import Cell
from ddoq.evaluation.grid import draw, tables
from ddoq.evaluation.measure import measure
from ddoq.evaluation.rows import entries
from ddoq.files.artifacts import StageRecord
from ddoq.processes import stop, world
from ddoq.processes.forks import finished, follow
from ddoq.recipe.plugin import blamed

if TYPE_CHECKING:
    from ddoq.run import Run

# (table, row, seed, student), each as a number in the recipe's lists.
Job = tuple[int, int, int, int]

_run: "Run | None" = None


@dataclass(frozen=True)
class Origin:
    """What a worker needs to know to make the same run."""

    recipe: dict[str, Any]
    """As plain data."""
    pretrain_ranks: int
    """How many ranks trained what `pretrain` makes."""
    strategy: str
    """How they shared it."""


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


def origin_of(run: "Run") -> Origin:
    """Return what the workers of a run need."""
    plain = dataclasses.asdict(run.recipe)
    # They write to the cache alone.
    plain["cache"], plain["out"] = str(Path(run.recipe.cache).resolve()), None
    # Each worker sees one device.
    alone = {"devices": 1, "num_nodes": 1, "strategy": "auto"}
    settings = run.recipe.trainer
    plain["trainer"] = {**settings, **{k: v for k, v in alone.items() if k in settings}}
    return Origin(plain, run.pretrain_ranks, run.strategy)


def gpus_of(run: "Run") -> list[str]:
    """Return the GPUs that workers may have one of each, as CUDA_VISIBLE_DEVICES names them."""
    if run.world.device.type != "cuda":
        return []
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]


def over_processes(
    origin: Origin, waiting: list[Job], workers: int, devices: list[str]
) -> Generator[list[StageRecord]]:
    """Yield what the trainings cost that processes of this machine do, with a device each."""
    context = multiprocessing.get_context("spawn")
    places = context.Queue()
    for number in range(workers):
        places.put(devices[number % len(devices)] if devices else None)
    pool = ProcessPoolExecutor(workers, context, _begin, (origin, os.getpid(), places))
    yield from finished(
        pool,
        lambda: [pool.submit(_train, job) for job in waiting],
        remedy="run it again with fewer processes (evaluation.workers); what is finished is kept",
    )


def over_ray(
    origin: Origin, waiting: list[Job], *, uses_gpus: bool
) -> Generator[list[StageRecord]]:
    """Send the jobs to a Ray cluster: that of RAY_ADDRESS, or one on this machine."""
    try:
        import ray
    except ImportError as error:
        raise ResourceError("Ray is not installed", "pip install 'ddoq[ray]'") from error
    ray.init(ignore_reinit_error=True, log_to_driver=False, include_dashboard=False)
    try:
        needs = {"num_cpus": origin.recipe["threads"] or 1, "num_gpus": int(uses_gpus)}
        train = ray.remote(_train_remotely).options(**needs)
        left = [train.remote(origin, job) for job in waiting]
        while left:
            [done], left = ray.wait(left, num_returns=1)
            yield ray.get(done)
    finally:
        ray.shutdown()


def _train_remotely(origin: Origin, job: Job) -> list[StageRecord]:
    """Train one cell in a process that Ray keeps for the next one."""
    if _run is None:
        _make_run(origin)
    return _train(job)


def _begin(origin: Origin, parent: int, places: Any) -> None:
    """Make the worker's own run of the same recipe, and end it when the parent is gone."""
    # An interrupt reaches the parent, which takes the workers down.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop.install(raises=False)
    follow(parent)
    world.forget()
    device = places.get()
    if device is not None:
        # Read when CUDA is first used, which is later.
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    _make_run(origin)


def _make_run(origin: Origin) -> None:
    from ddoq.recipe import from_plain
    from ddoq.run import Run

    global _run
    _run = Run(
        from_plain(origin.recipe),
        Console(is_silent=True),
        pretrain_ranks=origin.pretrain_ranks,
        strategy=origin.strategy,
    )


def _train(job: Job) -> list[StageRecord]:
    """Train one cell and return what it cost."""
    assert _run is not None
    _run.records.clear()
    try:
        with blamed():
            measure(_run, cell_of(_run, job))
    except stop.Stopped as stopped:
        # Its state is saved; another job must not begin.
        os._exit(128 + stopped.number)
    return [r for r in _run.records if r.stage in ("labels", "cell")]
