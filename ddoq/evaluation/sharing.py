"""Tasks that processes or ranks share. Their results lie in the cache, which joins them."""

import contextlib
import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ddoq.evaluation.workers import Task, gpus_of, origin_of, over_processes, side_by_side
from ddoq.files.artifacts import damage, is_finished

if TYPE_CHECKING:
    from ddoq.run import Run

_SECONDS = 1.0


def is_there(run: "Run", place: Path, is_apart: bool) -> bool:
    """Say whether a result is finished. Rank 0 looks for all, as others may see files later.

    A damaged result is repaired when it is read, unless that would be by the ranks together.
    """
    is_whole = is_finished(place) and not (is_apart and damage(place, is_entry=True))
    return run.world.broadcast(is_whole)


def over_workers(run: "Run", tasks: Sequence[Task], workers: int, what: str) -> None:
    """Do tasks in processes, and record their costs."""
    costs = side_by_side(run, tasks, workers)
    with run.console.stage(what, len(tasks)) as bar, contextlib.closing(costs):
        for records in costs:
            run.remember(*records)
            bar.advance()


def over_ranks(run: "Run", part: Sequence[Task], left: set[Path], what: str) -> None:
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


def _drop_finished(left: set[Path]) -> int:
    """Remove the results that are finished by now, and return their number."""
    there = {place for place in left if is_finished(place) and not damage(place, is_entry=True)}
    left -= there
    return len(there)
