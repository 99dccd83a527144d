"""Heat maps of accuracies by teacher and student, from light to dark."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.style import Style
from rich.table import Table
from rich.text import Text

from ddoq.evaluation.choice import chosen, method_of
from ddoq.evaluation.results import Part, Results, ordered
from ddoq.evaluation.score import ABSENT, FULL, RANDOM, Row, Score

_LIGHT, _DARK = (238, 243, 250), (40, 104, 176)
# The relative luminance on which black and white text have the same contrast (WCAG 2).
_MIDDLE = 0.179


@dataclass(frozen=True)
class HeatMap:
    """The accuracies of one row under one protocol, by teacher and student."""

    row: Row
    protocol: str
    teachers: tuple[str, ...]
    students: tuple[str, ...]
    scores: Mapping[tuple[str, str], Score]

    @property
    def title(self) -> str:
        """The map's title: row, size and protocol."""
        return (
            f"{self.row.name}, {self.row.images_per_class} per class, {self.protocol}: "
            "teachers down, students across"
        )

    def depth(self, teacher: str, student: str) -> float:
        """Return a score's place between the map's least (0) and greatest (1)."""
        means = [s.mean for s in self.scores.values()]
        low, high = min(means), max(means)
        return (self.scores[teacher, student].mean - low) / (high - low) if high > low else 0.0

    def color(self, teacher: str, student: str) -> tuple[int, int, int]:
        """Return a cell's background."""
        depth = self.depth(teacher, student)
        red, green, blue = (round(a + (b - a) * depth) for a, b in zip(_LIGHT, _DARK, strict=True))
        return red, green, blue

    def is_dark(self, teacher: str, student: str) -> bool:
        """Say whether white text has more contrast on a cell than black text."""
        linear = [_linear(channel / 255) for channel in self.color(teacher, student)]
        luminance = sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
        return luminance < _MIDDLE

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text | Table]:
        """Show the map as a table with colored cells."""
        yield Text(f"\n{self.title}", style="bold")
        table = Table(box=None, padding=(0, 1), header_style="dim")
        for header in ("", *self.students):
            table.add_column(header, justify="right" if header else "left")
        for teacher in self.teachers:
            table.add_row(Text(teacher), *(self._cell(teacher, s) for s in self.students))
        yield table

    def _cell(self, teacher: str, student: str) -> Text:
        if (teacher, student) not in self.scores:
            return Text(ABSENT)
        red, green, blue = self.color(teacher, student)
        ink = "white" if self.is_dark(teacher, student) else "black"
        style = Style(color=ink, bgcolor=f"rgb({red},{green},{blue})")
        return Text(f" {self.scores[teacher, student].text} ", style=style)


def _linear(channel: float) -> float:
    """Return the light of a channel of sRGB, from 0 to 1."""
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def heat_maps(results: Results) -> list[HeatMap]:
    """Return maps of each size's leading row and of random images, if there are several teachers.

    If a variant was chosen, it is the leading row.
    """
    maps: list[HeatMap] = []
    for protocol in dict.fromkeys(part.protocol for part in results.parts):
        parts = [part for part in results.of_protocol(protocol) if part.ours]
        if len(parts) > 1:
            maps += [_map(parts, row) for row in _shown(parts)]
    return maps


def _shown(parts: Sequence[Part]) -> list[Row]:
    runs = [run for part in parts for run in part.ours]
    rows = [row for row in ordered(run.row for run in runs) if row.distiller != FULL]
    first = {row.images_per_class: row for row in reversed(rows)}
    leading = {**first, **chosen(runs, method_of(rows[0]))}.values() if rows else ()
    return [row for row in rows if row in leading or row.distiller == RANDOM]


def _map(parts: Sequence[Part], row: Row) -> HeatMap:
    found = {(p.teacher, s): p.score(row, s) for p in parts for s in p.students}
    scores = {place: score for place, score in found.items() if score}
    teachers = tuple(part.teacher for part in parts)
    students = tuple(dict.fromkeys(student for _, student in scores))
    return HeatMap(row, parts[0].protocol, teachers, students, scores)
