"""The making of a set that takes long: where it is kept, how it is made, how long that takes."""

from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING, NamedTuple

from ddoq.errors import NotMade, UsageError
from ddoq.evaluation.rows import Entry, drawn
from ddoq.files.stage import Planned
from ddoq.recipe.plugin import place_of

if TYPE_CHECKING:
    from ddoq.evaluation.grid import Draw, Grid
    from ddoq.run import Run


class SetTask(NamedTuple):
    """A set to be made, by what makes it, so that any process of a run can do it."""

    entry: Entry
    seed: int

    @classmethod
    def of(cls, grid: "Grid", draw: "Draw") -> "SetTask":
        """Return the making of a grid's set."""
        # A copy has not made its distiller, which another process perhaps could not be sent.
        return cls(replace(grid.rows[draw.row]), grid.seed_of(draw))


def kept(grid: "Grid", draw: "Draw") -> Planned | None:
    """Return the stage that holds a set which takes long; None for any other set."""
    return _kept(grid.run, grid.rows[draw.row], grid.seed_of(draw))


def _kept(run: "Run", entry: Entry, seed: int) -> Planned | None:
    if entry.given is not None or not entry.made.learns:
        return None
    stages = entry.made.stages(run, seed)
    if not stages:
        raise _refused(entry, "says learns = True, but its stages are none")
    return stages[-1]


def make(run: "Run", task: SetTask) -> None:
    """Make a set that takes long. It is in the cache then, where all others look for it."""
    entry, seed = task
    drawn(entry.made, run, seed)
    own = _kept(run, entry, seed)
    if own is not None and not run.is_done(own.stage, own.key):
        raise _refused(entry, f"made a set, but not the last of its stages, {own.stage.name}")


def spent(grid: "Grid", draw: "Draw") -> float:
    """Return the seconds of the stages that a finished set stands on; NaN if that is not known.

    Latents count, which all sets share; trained weights and what only tells of the set do not.
    """
    run, entry = grid.run, grid.rows[draw.row]
    stages = [] if entry.given else entry.made.stages(run, grid.seed_of(draw))
    known = [run.made_seconds(p.stage, p.key) for p in stages if not p.is_beside]
    return sum(s for s in known if s is not None) if known and None not in known else nan


def _refused(entry: Entry, what: str) -> UsageError:
    place = place_of(entry.made.distill)
    return UsageError(
        f"{place + ': ' if place else ''}distiller {entry.distiller['name']} {what}",
        "keep the set by run.stage(planned.stage, planned.key, work), and name that stage last in "
        "stages(run, seed); or leave out learns",
    )


def seconds(grid: "Grid", row: int) -> float | None:
    """Return about how long a set of a row takes; None if its distiller cannot say.

    In a plan it cannot if it looks at something that is not made yet.
    """
    try:
        return grid.rows[row].made.seconds(grid.run)
    except NotMade:
        return None
