"""Which trainings does a table lack, and who does them?

They are independent: the cache joins them. By default processes of this machine do them, with
`evaluation.spread=ranks` each rank its part, with `ray` a Ray cluster whose machines share the
cache. On CPUs of one type the results are those of one process after another.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ddoq.evaluation.apart import train_apart
from ddoq.evaluation.cell import Cell, cell_key
from ddoq.evaluation.grid import draw, tables
from ddoq.evaluation.rows import entries
from ddoq.evaluation.spread import Job, gpus_of, origin_of, over_processes, over_ray
from ddoq.files.artifacts import damage, is_finished
from ddoq.processes.forks import cores

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
    seen: set[Path] = set()
    for job, cell in cells(run):
        place = run.place("cell", cell_key(run, cell))
        # One rank looks for all: files may show on others later.
        if place not in seen and not run.world.broadcast(_is_there(run, place)):
            seen.add(place)
            yield job, cell


def _is_there(run: "Run", place: Path) -> bool:
    """Say whether a training is finished.

    A damaged result is made again when it is read, unless the ranks train apart.
    """
    return is_finished(place) and not (run.trains_apart and damage(place, is_entry=True))


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
    most = run.world.size if run.trains_apart else num_workers(run)
    workers = min(most, max(1, number))
    kind = "ranks" if run.trains_apart else "processes"
    several = f" in {workers} {kind}" if workers > 1 else ""
    run.console.say(f"{number} trainings to do, about {hours / workers:.2f} hours{several}")


def train_in_parallel(run: "Run") -> None:
    """Train what a table lacks in several processes; they leave their results in the cache."""
    waiting = _waiting_for_others(run)
    if not waiting:
        return
    _train_teachers(run)
    if run.trains_apart:
        train_apart(run, waiting)
        return
    jobs, origin, gpus = list(waiting), origin_of(run), gpus_of(run)
    workers = num_workers(run)
    if run.recipe.evaluation.spread == "ray":
        where, spread = "on the Ray cluster", over_ray(origin, jobs, uses_gpus=bool(gpus))
    else:
        where, spread = f"in {workers} processes", over_processes(origin, jobs, workers, gpus)
    with run.console.stage(f"train {where}", len(jobs)) as bar, contextlib.closing(spread):
        for records in spread:
            run.remember(*records)
            bar.advance()


def _waiting_for_others(run: "Run") -> dict[Job, Path]:
    """Return the trainings for other processes, if any, and where their results will lie."""
    workers = num_workers(run)
    must_spread = run.recipe.evaluation.spread == "ray" or run.trains_apart
    if not must_spread and workers == 1:
        return {}
    waiting = {job: run.place("cell", cell_key(run, cell)) for job, cell in waiting_cells(run)}
    # For fewer, starting processes would take longer than they save.
    return waiting if must_spread or len(waiting) >= 2 * workers else {}


def _train_teachers(run: "Run") -> None:
    """Train the teachers that must be trained here, where their progress is seen."""
    for table in tables(run):
        if table.protocol.labels == "soft":
            run.teacher_of(table.teacher)
    # Workers have their own, perhaps on the same GPU.
    run.release()
