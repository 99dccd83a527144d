"""How are a table's trainings spread? They are independent: the cache joins them.

By default over processes of this machine, one per idle core; with
`evaluation.spread=ray` over a Ray cluster whose machines share the cache. The results are those of
one process after another.
"""

import dataclasses
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.artifacts import StageRecord
from ddoq.console import Console
from ddoq.errors import ResourceError, UsageError
from ddoq.evaluation.cell import Cell, cell_key
from ddoq.evaluation.grid import draw, tables
from ddoq.evaluation.measure import measure
from ddoq.evaluation.rows import entries
from ddoq.processes import cores, finished
from ddoq.recipe import Recipe

if TYPE_CHECKING:
    from ddoq.run import Run

# A process with torch and a small network in it takes about a gigabyte.
_MOST = 4

# (table, row, seed, student), each as a number in the recipe's lists.
Job = tuple[int, int, int, int]

_run: "Run | None" = None


def num_workers(run: "Run") -> int:
    """Return the recipe's number of worker processes, or as many as there are idle cores.

    One where several ranks share the work already, on an accelerator, or where a training may use
    all cores.
    """
    asked, threads = run.recipe.evaluation.workers, run.recipe.threads
    if run.world.size > 1:
        return 1
    if asked is not None:
        return max(1, asked)
    if run.world.device.type != "cpu" or threads is None:
        return 1
    return max(1, min(_MOST, cores() // threads))


def cells(run: "Run") -> Iterator[tuple[Job, Cell]]:
    """Draw one set after another and yield the trainings on it."""
    recipe = run.recipe
    for index, entry in enumerate(entries(recipe)):
        for seed in range(entry.num_seeds):
            synthetic = draw(run, entry, seed)
            for number, table in enumerate(tables(run)):
                for student in range(entry.num_students):
                    block = recipe.students[student]
                    cell = Cell(synthetic, block, table.protocol, recipe.seed + seed, table.teacher)
                    yield (number, index, seed, student), cell


def waiting_cells(run: "Run") -> Iterator[tuple[Job, Cell]]:
    """Yield the trainings that are not in the cache yet, each once."""
    seen: set[str] = set()
    for job, cell in cells(run):
        key = cell_key(run, cell)
        place = run.place("cell", key).name
        # One rank looks for all: files may show on others later.
        is_done = run.world.broadcast(run.is_done("cell", key))
        if place not in seen and not is_done:
            seen.add(place)
            yield job, cell


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


def say_hours(run: "Run") -> None:
    """Say how many trainings are to be done, and about how long they will take."""
    from ddoq.evaluation.forecast import forecast

    number = 0

    def counted() -> Iterator[Cell]:
        nonlocal number
        for _, cell in waiting_cells(run):
            number += 1
            yield cell

    hours = forecast(run, counted()) / 3600
    workers = min(num_workers(run), max(1, number))
    several = f" in {workers} processes" if workers > 1 else ""
    run.console.say(f"{number} trainings to do, about {hours / workers:.2f} hours{several}")


def train_in_parallel(run: "Run") -> None:
    """Train what a table lacks in several processes; they leave their results in the cache."""
    uses_ray = run.recipe.evaluation.spread == "ray"
    if uses_ray and run.world.size > 1:
        raise UsageError(
            f"evaluation.spread=ray on {run.world.size} ranks would train everything several times",
            "start one process: trainer.devices=1",
        )
    workers = num_workers(run)
    waiting = [job for job, _ in waiting_cells(run)] if workers > 1 or uses_ray else []
    if len(waiting) < 2 * workers and not (uses_ray and waiting):
        # Starting processes would take longer than they save.
        return
    _train_teachers(run)
    plain = dataclasses.asdict(run.recipe)
    plain["cache"] = str(Path(run.recipe.cache).resolve())
    if "devices" in run.recipe.trainer:
        # Each worker sees one device.
        plain["trainer"] = {**run.recipe.trainer, "devices": 1}
    devices = _accelerators(run)
    if uses_ray:
        spread = _over_ray(plain, waiting, num_gpus=min(1, len(devices)))
    else:
        spread = _over_processes(plain, waiting, workers, devices)
    where = "on the Ray cluster" if uses_ray else f"in {workers} processes"
    with run.console.stage(f"train {where}", len(waiting)) as bar:
        for records in spread:
            for record in records:
                run.remember(record)
            bar.advance()


def _train_teachers(run: "Run") -> None:
    """Train the teachers that must be trained here, where their progress is seen."""
    for table in tables(run):
        if table.protocol.labels == "soft":
            run.teacher_of(table.teacher)


def _accelerators(run: "Run") -> list[str]:
    """Return the GPUs that workers may have one of, as CUDA_VISIBLE_DEVICES names them."""
    if run.world.device.type != "cuda":
        return []
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]


def _over_processes(
    plain: dict[str, Any], waiting: list[Job], workers: int, devices: list[str]
) -> Iterator[list[StageRecord]]:
    context = multiprocessing.get_context("spawn")
    places = context.Queue()
    for number in range(workers):
        places.put(devices[number % len(devices)] if devices else None)
    pool = ProcessPoolExecutor(workers, context, _begin, (plain, os.getpid(), places))
    yield from finished(
        pool,
        lambda: [pool.submit(_train, job) for job in waiting],
        remedy="run it again with evaluation.workers=1; what is finished is kept",
    )


def _over_ray(
    plain: dict[str, Any], waiting: list[Job], num_gpus: int
) -> Iterator[list[StageRecord]]:
    """Send the jobs to a Ray cluster: that of RAY_ADDRESS, or one on this machine."""
    try:
        import ray
    except ImportError as error:
        raise ResourceError("Ray is not installed", "pip install 'ddoq[ray]'") from error
    ray.init(ignore_reinit_error=True, log_to_driver=False, include_dashboard=False)
    try:
        needs = {"num_cpus": plain["threads"] or 1, "num_gpus": num_gpus}
        train = ray.remote(_train_remotely).options(**needs)
        left = [train.remote(plain, job) for job in waiting]
        while left:
            [done], left = ray.wait(left, num_returns=1)
            yield ray.get(done)
    finally:
        ray.shutdown()


def _train_remotely(plain: dict[str, Any], job: Job) -> list[StageRecord]:
    """Train one cell in a process that Ray keeps for the next one."""
    if _run is None:
        _make_run(plain)
    return _train(job)


def _begin(plain: dict[str, Any], parent: int, places: Any) -> None:
    """Make the worker's own run of the same recipe, and end it when the parent is gone."""
    # An interrupt reaches the parent, which takes the workers down.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    device = places.get()
    if device is not None:
        # Read when CUDA is first used, which is later.
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    _make_run(plain)


def _make_run(plain: dict[str, Any]) -> None:
    from ddoq.recipe import from_plain
    from ddoq.run import Run

    global _run
    recipe: Recipe = from_plain(plain)
    _run = Run(recipe, Console(is_silent=True))


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
