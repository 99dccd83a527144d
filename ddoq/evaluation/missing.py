"""The trainings that a grid lacks, and how processes and ranks share them."""

import itertools
from collections.abc import Collection, Iterator
from pathlib import Path

from ddoq.display.duration import duration
from ddoq.evaluation.forecast import forecast
from ddoq.evaluation.grid import Grid
from ddoq.evaluation.sharing import is_there, over_ranks, over_workers
from ddoq.evaluation.workers import num_workers, num_worth
from ddoq.processes.world import World


def missing(grid: Grid) -> Iterator[tuple[int, Path]]:
    """Yield each training that is not in the cache yet, and where its result will lie."""
    seen: set[Path] = set()
    for job in grid:
        place = grid.place(job)
        if place not in seen and not is_there(grid.run, place, grid.run.trains_apart):
            seen.add(place)
            yield job, place


def say_time(grid: Grid) -> float:
    """Print how many trainings are to be done, and return the seconds that all of them take."""
    run = grid.run
    jobs = [job for job, _ in missing(grid)]
    whole = forecast(run, (grid[job] for job in jobs))
    most = run.world.size if run.trains_apart else num_worth(run, whole)
    workers = min(most, max(1, len(jobs)))
    kind = "ranks" if run.trains_apart else "processes"
    several = f" in {workers} {kind}" if workers > 1 else ""
    run.console.say(f"{len(jobs)} trainings to do, about {duration(whole / workers)}{several}")
    return whole


def train_missing(grid: Grid, seconds: float | None = None) -> None:
    """Train what is missing in several processes. They put their results into the cache.

    If processes would save less time than they take to start, what is missing is left. `seconds`
    are those of all of it, if they are known.
    """
    run, workers = grid.run, num_workers(grid.run)
    is_ray = run.recipe.evaluation.spread == "ray"
    if not is_ray and not run.trains_apart and workers == 1:
        return
    waiting = dict(missing(grid))
    if not waiting or not (is_ray or run.trains_apart or _saves(grid, waiting, seconds)):
        return
    _train_teachers(grid)
    if any(table.protocol.whiten == "zca" for table in grid.tables):
        _ = run.whitening
    if run.trains_apart:
        own = part_of(run.world, list(waiting), grid)
        what = f"train on {run.world.size} ranks"
        over_ranks(run, own, set(waiting.values()), what)
        return
    where = "on the Ray cluster" if is_ray else f"in {workers} processes"
    over_workers(run, list(waiting), workers, f"train {where}")


def _saves(grid: Grid, jobs: Collection[int], seconds: float | None) -> bool:
    """Say whether processes would do these trainings sooner."""
    run = grid.run
    if len(jobs) < 2 * num_workers(run):
        return False
    if seconds is None and run.recipe.evaluation.workers is None:
        seconds = forecast(run, (grid[job] for job in jobs))
    return num_worth(run, seconds or 0.0) > 1


def _train_teachers(grid: Grid) -> None:
    """Train the teachers in this process, so that their progress is shown."""
    for table in grid.tables:
        if table.protocol.labels == "soft":
            grid.run.teacher_of(table.teacher)
    # Workers load teachers of their own, perhaps on the same GPU.
    grid.run.release()


def part_of(world: World, jobs: list[int], grid: Grid) -> list[int]:
    """Return this rank's trainings. The students of a set stay together, as they share its labels.

    If there are too few sets to keep all ranks busy, students are dealt out one by one.
    """
    sets = [list(group) for _, group in itertools.groupby(jobs, key=grid.labels_of)]
    if len(sets) < 2 * world.size:
        return world.share(jobs)
    return list(itertools.chain(*world.share(sets)))
