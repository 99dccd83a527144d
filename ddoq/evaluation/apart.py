"""How do ranks train apart? Each whole trainings of its own; the cache tells when all are done.

Nothing is sent between the ranks meanwhile: one may be hours behind another, and a collective call
would give up waiting.
"""

import contextlib
import itertools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ddoq.evaluation.spread import Job, gpus_of, origin_of, over_processes
from ddoq.files.artifacts import damage, is_finished
from ddoq.processes.world import World

if TYPE_CHECKING:
    from ddoq.run import Run

_SECONDS = 1.0


def train_apart(run: "Run", waiting: Mapping[Job, Path]) -> None:
    """Do this rank's part of the trainings in a process of its own, and wait for the others'."""
    # Each rank has one device, and one process on it.
    gpus = gpus_of(run)[run.world.device.index or 0 :][:1]
    own = over_processes(origin_of(run), part_of(run.world, list(waiting)), 1, gpus)
    left = set(waiting.values())
    known = len(run.records)
    what = f"train on {run.world.size} ranks"
    with run.console.stage(what, len(left)) as bar, contextlib.closing(own):
        for records in own:
            run.remember(*records)
            bar.advance(_drop_finished(left))
        while left:
            time.sleep(_SECONDS)
            bar.advance(_drop_finished(left))
    others = run.world.gather(run.records[known:])
    if run.world.is_first:
        run.remember(*itertools.chain(*others[1:]))


def part_of(world: World, jobs: list[Job]) -> list[Job]:
    """Return this rank's jobs: the students of a set together, as they share its labels.

    Where there are too few sets to keep all ranks busy, any students.
    """
    sets = [list(group) for _, group in itertools.groupby(jobs, key=lambda job: job[:3])]
    if len(sets) < 2 * world.size:
        return world.share(jobs)
    return list(itertools.chain(*world.share(sets)))


def _drop_finished(left: set[Path]) -> int:
    """Remove the trainings that are finished by now; return how many those were."""
    there = {place for place in left if is_finished(place) and not damage(place, is_entry=True)}
    left -= there
    return len(there)
