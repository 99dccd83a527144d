"""Tables in terminals of any width: the widest layout that fits, or else a list."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.text import Text

# In terminals of fewer columns, the folded cells of a table cannot be read.
_NARROW = 60


def fitting(
    console: Console, options: ConsoleOptions, layouts: Sequence[RenderableType]
) -> RenderableType | None:
    """Return the first layout that is not wider than the terminal, or else the last one.

    None if the terminal is too narrow for any: a list can be read there.
    """
    wide = options.update(max_width=10_000)
    for layout in layouts:
        if Measurement.get(console, wide, layout).maximum <= options.max_width:
            return layout
    return layouts[-1] if options.max_width >= _NARROW else None


@dataclass(frozen=True)
class IfWide:
    """A table for terminals that are wide enough for it, and a line for all others."""

    title: str
    table: RenderableType
    instead: str

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Show the table below its title, or the line."""
        if Measurement.get(console, options.update(max_width=10_000), self.table).maximum > (
            options.max_width
        ):
            yield Text(self.instead)
            return
        yield Text(f"\n{self.title}", style="bold")
        yield self.table


def listed(
    name: str, cells: Iterable[tuple[str, str]], style: str = ""
) -> Iterator[RenderableType]:
    """Yield a row as a list: its name, then one line for each cell."""
    yield Text(name, style=style)
    for header, text in cells:
        yield Padding(Text(f"{header}: {text}"), (0, 0, 0, 2))
