"""Which trainings does a table lack, and who does them?

They are independent: the cache joins them. By default processes of this machine do them, one per
idle core; with `evaluation.spread=ranks` each rank its part, with `ray` a Ray cluster whose
machines share the cache. The results are those of one process after another.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ddoq.errors import UsageError
from ddoq.evaluation.cell import Cell, cell_key
from ddoq.evaluation.grid import draw, tables
from ddoq.evaluation.rows import entries
from ddoq.evaluation.spread import Job, Task, over_processes, over_ray
from ddoq.processes import cores
from ddoq.world import accelerators

if TYPE_CHECKING:
    from ddoq.run import Run

# A process with torch and a small network in it takes about a gigabyte.
_MOST = 4


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
    how, workers = run.recipe.evaluation.spread, num_workers(run)
    if how == "ray" and run.world.size > 1:
        raise UsageError(
            f"evaluation.spread=ray on {run.world.size} ranks would train everything several times",
            "start one process: trainer.devices=1",
        )
    must_spread = how == "ray" or run.trains_apart
    waiting = [job for job, _ in waiting_cells(run)] if workers > 1 or must_spread else []
    if len(waiting) < 2 * workers and not (must_spread and waiting):
        # Starting processes would take longer than they save.
        return
    _train_teachers(run)
    task = _task(run)
    devices = accelerators() if run.world.device.type == "cuda" else []
    if how == "ray":
        where, spread = "on the Ray cluster", over_ray(task, waiting, uses_gpus=bool(devices))
    elif run.trains_apart:
        # Each rank has one device, and one process on it.
        own = devices[run.world.device.index or 0 :][:1]
        where = f"on {run.world.size} ranks"
        spread = over_processes(task, run.world.share(waiting), 1, own)
    else:
        where = f"in {workers} processes"
        spread = over_processes(task, waiting, workers, devices)
    known = len(run.records)
    with run.console.stage(f"train {where}", len(waiting)) as bar:
        for records in spread:
            for record in records:
                run.remember(record)
            bar.advance(run.world.size)
    others = run.world.gather(run.records[known:])[1:]
    run.records += [record for records in others for record in records]


def _task(run: "Run") -> Task:
    """Return what a worker needs to know to make the same run."""
    plain = dataclasses.asdict(run.recipe)
    plain["cache"] = str(Path(run.recipe.cache).resolve())
    # Each worker sees one device.
    alone = {"devices": 1, "num_nodes": 1, "strategy": "auto"}
    settings = run.recipe.trainer
    plain["trainer"] = {**settings, **{k: v for k, v in alone.items() if k in settings}}
    return Task(plain, run.ranks)


def _train_teachers(run: "Run") -> None:
    """Train the teachers that must be trained here, where their progress is seen."""
    for table in tables(run):
        if table.protocol.labels == "soft":
            run.teacher_of(table.teacher)
