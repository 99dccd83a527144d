"""What the sets of each row cost: the time to make one, and its size."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from statistics import fmean

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ddoq.display.byte_size import byte_size
from ddoq.display.duration import duration
from ddoq.display.narrow import IfWide
from ddoq.evaluation.results import Results, ordered
from ddoq.evaluation.score import ABSENT, FULL, Result, Row

CAPTION = (
    "time: of all stages behind a set, whenever they were made; latents count, trained weights do "
    "not. size: with stored soft labels"
)
# Sets that took fewer seconds need no table in a terminal.
_LONG = 10.0


@dataclass(frozen=True)
class SetCost:
    """The mean cost of a row's sets."""

    row: Row
    seconds: float | None
    sizes: tuple[float, ...]
    """The bytes with stored labels, which differ by protocol: least and most, or one number."""

    @property
    def time(self) -> str:
        """The time in words."""
        return ABSENT if self.seconds is None else duration(self.seconds)

    @property
    def size(self) -> str:
        """The size in words."""
        return " to ".join(map(byte_size, self.sizes))


def set_costs(results: Results) -> list[SetCost]:
    """Return what the sets of each row cost. All data are no set, and quoted ones are unknown."""
    runs = [
        r
        for part in results.parts
        for r in part.ours
        if r.distiller != FULL and not isnan(r.set_bytes)
    ]
    return [_cost(row, [r for r in runs if r.row == row]) for row in ordered(r.row for r in runs)]


def _cost(row: Row, runs: Sequence[Result]) -> SetCost:
    seconds = {r.set_seed: r.set_seconds for r in runs}.values()
    sizes = sorted({r.set_bytes for r in runs})
    return SetCost(
        row,
        None if any(map(isnan, seconds)) else fmean(seconds),
        tuple(sizes) if len(sizes) == 1 else (sizes[0], sizes[-1]),
    )


def shown(costs: Sequence[SetCost]) -> RenderableType | None:
    """Return a table for a terminal, or where it stands; None if no set took long."""
    if not any(c.seconds and c.seconds >= _LONG for c in costs):
        return None
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("of", overflow="fold")
    for header in ("ipc", "time", "size"):
        table.add_column(header, justify="right")
    for c in costs:
        table.add_row(*map(Text, (c.row.name, str(c.row.images_per_class), c.time, c.size)))
    table.caption, table.caption_justify = Text(CAPTION, style="dim"), "left"
    return IfWide("what one set costs", table, "\ntime and size of every set: in the report")
