"""The sets that a grid lacks and that take long: learned ones, and those that a prior draws."""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from ddoq.display.duration import duration
from ddoq.evaluation.grid import Draw, Grid
from ddoq.evaluation.making import SetTask, kept, make, seconds
from ddoq.evaluation.sharing import is_there, over_ranks, over_workers
from ddoq.evaluation.workers import STARTING, num_workers, num_worth
from ddoq.files.artifacts import is_finished
from ddoq.files.stage import Planned
from ddoq.recipe.kinds import PRETRAINERS


def make_missing(grid: Grid) -> None:
    """Make all sets that take long."""
    learn_missing(grid)
    decode_missing(grid)


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
        if place and place not in found and not is_there(run, place, run.world.size > 1):
            found[place] = draw
    if not found:
        return
    _train_parts(grid, {draw.row for draw in found.values()})
    whole, is_whole = _seconds(grid, found.values())
    most = num_worth(run, whole) if is_whole else num_workers(run)
    workers = run.world.size if run.world.size > 1 else min(most, len(found))
    several = f" in {workers} processes" if workers > 1 else ""
    least = "" if is_whole else "at least "
    time = f", {least}about {duration(whole / workers)}{several}" if whole else several
    run.console.say(f"{len(found)} sets to learn{time}")
    tasks = [SetTask.of(grid, draw) for draw in found.values()]
    if run.world.size > 1:
        over_ranks(run, run.world.share(tasks), set(found), "learn sets")
    elif run.recipe.evaluation.spread == "ray" or workers > 1:
        over_workers(run, tasks, workers, "learn sets")
    else:
        with run.console.stage("learn sets", len(tasks)) as bar:
            for task in tasks:
                make(run, task)
                bar.advance()


def decode_missing(grid: Grid) -> None:
    """Make the sets that a prior draws, several at a time, where that saves more than it costs.

    One process uses one core. So sets are made here until the seconds of one tell that processes
    would have done the others sooner.
    """
    run, workers = grid.run, num_workers(grid.run)
    if workers == 1 or run.world.device.type != "cpu":
        return
    left, saved = _to_decode(grid), 0.0
    while len(left) > 1 and saved < STARTING:
        draw, last = left.pop(0)
        grid.drawn(draw)
        each = run.made_seconds(last.stage, last.key) or 0.0
        saved = each * (len(left) - math.ceil(len(left) / workers))
    if len(left) > 1:
        workers = min(workers, len(left))
        tasks = [SetTask.of(grid, draw) for draw, _ in left]
        over_workers(run, tasks, workers, f"decode sets in {workers} processes")


def _to_decode(grid: Grid) -> list[tuple[Draw, Planned]]:
    """Return the sets that read a prior and are not there yet, and the last stage of each."""
    run, found = grid.run, dict[Path, tuple[Draw, Planned]]()
    for draw in grid.draws:
        entry = grid.rows[draw.row]
        if entry.given is not None or entry.made.learns or "prior" not in entry.made.parts(run):
            continue
        for last in entry.made.stages(run, grid.seed_of(draw))[-1:]:
            place = run.place(last.stage, last.key)
            if not is_finished(place):
                found.setdefault(place, (draw, last))
    return list(found.values())


def _seconds(grid: Grid, draws: Collection[Draw]) -> tuple[float, bool]:
    """Return the seconds of sets one after another, and whether all of them could be told."""
    number = Counter(draw.row for draw in draws)
    each = {row: seconds(grid, row) for row in number}
    known = [number[row] * s for row, s in each.items() if s is not None]
    return sum(known, 0.0), len(known) == len(each)


def _train_parts(grid: Grid, rows: Collection[int]) -> None:
    """Train the weights that learned sets read, by all ranks and where their progress is seen."""
    run = grid.run
    read = {part for row in rows for part in grid.rows[row].made.parts(run)}
    for part in PRETRAINERS:
        if part in read and getattr(run.recipe, part).get("source") == "pretrain":
            run.pretrained(part)
