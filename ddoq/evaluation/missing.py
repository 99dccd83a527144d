"""The trainings that a grid lacks, and how processes and ranks share them."""

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ddoq.display.duration import duration
from ddoq.evaluation.forecast import forecast
from ddoq.evaluation.grid import Draw, Grid
from ddoq.evaluation.making import SetTask, kept, make, seconds
from ddoq.evaluation.workers import (
    Task,
    gpus_of,
    num_workers,
    origin_of,
    over_processes,
    side_by_side,
)
from ddoq.files.artifacts import damage, is_finished
from ddoq.processes.world import World
from ddoq.recipe.kinds import PRETRAINERS

if TYPE_CHECKING:
    from ddoq.run import Run

_SECONDS = 1.0


def learn_missing(grid: Grid, draws: Sequence[Draw] | None = None) -> None:
    """Make the sets that take long, several at a time: one process on one device makes each.

    A set must be the same on any number of ranks. So where there are several, it is made in a
    process outside the launched world, within which Lightning would gather over all ranks.
    """
    run = grid.run
    found: dict[Path, Draw] = {}
    for draw in grid.draws if draws is None else draws:
        planned = kept(grid, draw)
        place = run.place(planned.stage, planned.key) if planned else None
        if place and place not in found and not _is_there(run, place, run.world.size > 1):
            found[place] = draw
    if not found:
        return
    _train_parts(grid, {draw.row for draw in found.values()})
    workers = run.world.size if run.world.size > 1 else min(num_workers(run), len(found))
    _say_sets(grid, found.values(), workers)
    tasks = [SetTask.of(grid, draw) for draw in found.values()]
    if run.world.size > 1:
        _share_over_ranks(run, run.world.share(tasks), set(found), "learn sets")
    elif run.recipe.evaluation.spread == "ray" or workers > 1:
        _share(run, tasks, workers, "learn sets")
    else:
        with run.console.stage("learn sets", len(tasks)) as bar:
            for task in tasks:
                make(run, task)
                bar.advance()


def _say_sets(grid: Grid, draws: Collection[Draw], workers: int) -> None:
    """Print how many sets are to be learned, and about how long that will take."""
    number = Counter(draw.row for draw in draws)
    each = {row: seconds(grid, row) for row in number}
    known = [number[row] * s for row, s in each.items() if s is not None]
    several = f" in {workers} processes" if workers > 1 else ""
    least = "" if len(known) == len(each) else "at least "
    time = f", {least}about {duration(sum(known) / workers)}{several}" if known else several
    grid.run.console.say(f"{len(draws)} sets to learn{time}")


def _train_parts(grid: Grid, rows: Collection[int]) -> None:
    """Train the weights that learned sets read, by all ranks and where their progress is seen."""
    run = grid.run
    read = {part for row in rows for part in grid.rows[row].made.parts(run)}
    for part in PRETRAINERS:
        if part in read and getattr(run.recipe, part).get("source") == "pretrain":
            run.pretrained(part)


def missing(grid: Grid) -> Iterator[tuple[int, Path]]:
    """Yield each training that is not in the cache yet, and where its result will lie."""
    seen: set[Path] = set()
    for job in grid:
        place = grid.place(job)
        if place not in seen and not _is_there(grid.run, place, grid.run.trains_apart):
            seen.add(place)
            yield job, place


def _is_there(run: "Run", place: Path, is_apart: bool) -> bool:
    """Say whether a result is finished. Rank 0 looks for all, as others may see files later.

    A damaged result is repaired when it is read, unless that would be by the ranks together.
    """
    is_whole = is_finished(place) and not (is_apart and damage(place, is_entry=True))
    return run.world.broadcast(is_whole)


def say_time(grid: Grid) -> None:
    """Print how many trainings are to be done, and about how long they will take."""
    run = grid.run
    jobs = [job for job, _ in missing(grid)]
    whole = forecast(run, (grid[job] for job in jobs))
    most = run.world.size if run.trains_apart else num_workers(run)
    workers = min(most, max(1, len(jobs)))
    kind = "ranks" if run.trains_apart else "processes"
    several = f" in {workers} {kind}" if workers > 1 else ""
    run.console.say(f"{len(jobs)} trainings to do, about {duration(whole / workers)}{several}")


def train_missing(grid: Grid) -> None:
    """Train what is missing in several processes. They put their results into the cache."""
    run, workers = grid.run, num_workers(grid.run)
    is_ray = run.recipe.evaluation.spread == "ray"
    if not is_ray and not run.trains_apart and workers == 1:
        return
    waiting = dict(missing(grid))
    # With fewer trainings, starting processes costs more time than they save.
    if not waiting or not (is_ray or run.trains_apart or len(waiting) >= 2 * workers):
        return
    _train_teachers(grid)
    if any(table.protocol.whiten == "zca" for table in grid.tables):
        _ = run.whitening
    if run.trains_apart:
        own = part_of(run.world, list(waiting), grid)
        what = f"train on {run.world.size} ranks"
        _share_over_ranks(run, own, set(waiting.values()), what)
        return
    where = "on the Ray cluster" if is_ray else f"in {workers} processes"
    _share(run, list(waiting), workers, f"train {where}")


def _train_teachers(grid: Grid) -> None:
    """Train the teachers in this process, so that their progress is shown."""
    for table in grid.tables:
        if table.protocol.labels == "soft":
            grid.run.teacher_of(table.teacher)
    # Workers load teachers of their own, perhaps on the same GPU.
    grid.run.release()


def _share(run: "Run", tasks: Sequence[Task], workers: int, what: str) -> None:
    """Do tasks in processes, and record their costs."""
    costs = side_by_side(run, tasks, workers)
    with run.console.stage(what, len(tasks)) as bar, contextlib.closing(costs):
        for records in costs:
            run.remember(*records)
            bar.advance()


def _share_over_ranks(run: "Run", part: Sequence[Task], left: set[Path], what: str) -> None:
    """Do this rank's part of the tasks in a process of its own, then wait for the other ranks.

    Meanwhile the ranks send each other nothing. One may be hours behind another, and a collective
    call would time out. The cache shows when all results are there.
    """
    # Each rank has one device, and runs one process on it.
    gpus = gpus_of(run)[run.world.device.index or 0 :][:1]
    costs = over_processes(origin_of(run), part, 1, gpus)
    known = len(run.records)
    with run.console.stage(what, len(left)) as bar, contextlib.closing(costs):
        for records in costs:
            run.remember(*records)
            bar.advance(_drop_finished(left))
        while left:
            time.sleep(_SECONDS)
            bar.advance(_drop_finished(left))
    others = run.world.gather(run.records[known:])
    if run.world.is_first:
        run.remember(*itertools.chain(*others[1:]))


def part_of(world: World, jobs: list[int], grid: Grid) -> list[int]:
    """Return this rank's trainings. The students of a set stay together, as they share its labels.

    If there are too few sets to keep all ranks busy, students are dealt out one by one.
    """
    sets = [list(group) for _, group in itertools.groupby(jobs, key=grid.labels_of)]
    if len(sets) < 2 * world.size:
        return world.share(jobs)
    return list(itertools.chain(*world.share(sets)))


def _drop_finished(left: set[Path]) -> int:
    """Remove the results that are finished by now, and return their number."""
    there = {place for place in left if is_finished(place) and not damage(place, is_entry=True)}
    left -= there
    return len(there)
