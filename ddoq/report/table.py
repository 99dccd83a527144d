"""What does one look at first? The table of results, and what may be concluded from it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ddoq.evaluation.score import (
    ABSENT,
    LEVEL,
    Comparison,
    Result,
    Row,
    Score,
    summarize,
    summarize_means,
)
from ddoq.report.comparisons import (
    FULL,
    QUOTED,
    RANDOM,
    chosen_rows,
    compare_all,
    in_words,
    ordered,
    p_text,
)

_REPORTED = {
    "last": "last epoch",
    "best": "BEST OF SEVERAL EVALUATIONS ON THESE IMAGES, as the protocol has it",
    "ema": "running mean of the weights",
}
# How wide a column of words may be where the terminal is narrow, and where it is very narrow.
_NARROW, _NARROWEST = 9, 6


@dataclass(frozen=True)
class Line:
    """One row of the table with its scores; a mean only where all students ran."""

    row: Row
    scores: tuple[Score | None, ...]
    mean: Score | None
    starts_section: bool = False

    @property
    def is_reference(self) -> bool:
        """Whether the row is real data: random images, or all of them."""
        return self.row.distiller in (RANDOM, FULL)

    @property
    def name(self) -> str:
        """The distiller, with what has to be known about its numbers."""
        return f"{self.row.distiller} ({self.row.note})" if self.row.note else self.row.distiller

    @property
    def size(self) -> str:
        """The images per class."""
        return "all" if self.row.distiller == FULL else str(self.row.images_per_class)

    @property
    def runs(self) -> str:
        """The number of runs behind each score; a range where they differ."""
        counts = sorted({score.n for score in self.scores if score})
        if self.row.note == QUOTED or not counts:
            return ABSENT
        return str(counts[0]) if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"

    def text(self, score: Score | None) -> str:
        """Return a score as it stands in the table; a quoted one has no interval of ours."""
        if score is None:
            return ABSENT
        return f"{100 * score.mean:.1f}" if self.row.note == QUOTED else score.text


@dataclass(frozen=True)
class Sheet:
    """The results under one protocol: what the terminal, the JSON and the page all show."""

    data: str
    protocol: str
    labels: str
    caption: str
    students: tuple[str, ...]
    lines: tuple[Line, ...]
    comparisons: tuple[Comparison, ...]
    chosen: tuple[Row, ...] = ()
    """The variants that were chosen on validation images."""
    teacher: str = ABSENT
    names_teacher: bool = False
    """Whether there are sheets of other teachers, too."""
    is_across: bool = False
    """Whether the columns are protocols, which cannot be compared with each other."""

    @property
    def title(self) -> str:
        """The data set, protocol and labels."""
        if self.is_across:
            return f"{self.data} · {self.protocol}"
        by = f" of {self.teacher}" if self.names_teacher else ""
        taught = "targets" if self.labels == "targets" else f"{self.labels} labels"
        return f"{self.data} · protocol {self.protocol} · {taught}{by}"

    @property
    def has_mean(self) -> bool:
        """Whether there are several students to take a mean over."""
        return len(self.students) > 1 and not self.is_across

    def leads(self, line: Line) -> bool:
        """Say whether a line is one that others are compared with."""
        return line.row in self.chosen if self.chosen else line is self.lines[0]

    def heading(self, lead: Row) -> str:
        """Say what others are compared with, and how it came to lead."""
        how = " (chosen on validation images)" if lead in self.chosen else ""
        return f"{lead.name}, {lead.images_per_class} per class{how}, minus"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text | Table]:
        """Show the sheet as wide as the terminal allows; what does not fit is broken, not cut."""
        layouts = [
            _table(self, None, " "),
            _table(self, _NARROW, " "),
            _table(self, _NARROWEST, "\n"),
        ]
        wide = options.update(max_width=10_000)
        widths = [Measurement.get(console, wide, layout).maximum for layout in layouts]
        fitting = [t for t, w in zip(layouts, widths, strict=True) if w <= options.max_width]
        yield Text(self.title, style="bold")
        yield (fitting or layouts[-1:])[0]
        yield Text(self.caption, style="dim")
        for lead in dict.fromkeys(c.a for c in self.comparisons):
            yield Text(f"\n{self.heading(lead)}", style="bold")
            yield _comparison_table([c for c in self.comparisons if c.a == lead])


def sheets(results: Iterable[Result], *, data: str, num_test_images: int) -> list[Sheet]:
    """Make one sheet per protocol and teacher, in the order in which they appear."""
    groups: dict[tuple[str, str], list[Result]] = {}
    of_protocol: dict[str, tuple[str, str]] = {}
    for result in results:
        key = (result.protocol, result.teacher)
        first = of_protocol.setdefault(result.protocol, key)
        # A published number stands beside ours, whoever taught there.
        groups.setdefault(first if result.note == QUOTED else key, []).append(result)
    made = [_sheet(group, data, num_test_images) for group in groups.values()]
    several = len({s.teacher for s in made} - {ABSENT}) > 1
    return [replace(s, names_teacher=several and s.teacher != ABSENT) for s in made]


def across(results: Sequence[Result], *, data: str) -> Sheet:
    """Make the one sheet that has several protocols, or teachers, in it: each a column.

    A score is the mean over all students of its column. The sheet holds no comparisons, and says
    that it allows none between columns.
    """
    groups: dict[str, list[Result]] = {}
    for r in results:
        by = f" ({r.teacher})" if r.teacher != ABSENT else ""
        if r.note != QUOTED:
            groups.setdefault(f"{r.protocol}{by}", []).append(replace(r, note=""))
    means = {name: _of_all_students(own) for name, own in groups.items()}
    rows = ordered(r for own in groups.values() for r in own)
    scores = {row: tuple(m.get(row) for m in means.values()) for row in rows}
    return Sheet(
        data=data,
        protocol=f"ACROSS {len(groups)} PROTOCOLS OR TEACHERS, as asked for",
        labels="each its own",
        caption="mean over students of top-1 in %; columns are different measurements: compare "
        "rows within a column, never numbers of two columns",
        students=tuple(groups),
        lines=tuple(Line(row, own, None) for row, own in scores.items() if any(own)),
        comparisons=(),
        is_across=True,
    )


def _of_all_students(results: Sequence[Result]) -> dict[Row, Score]:
    """Return the means over students, of the rows that all students were trained on."""
    students = {r.student for r in results}
    of_row = {row: {r.student for r in results if r.row == row} for row in ordered(results)}
    means = summarize_means(results)
    return {row: score for row, score in means.items() if of_row[row] == students}


def _sheet(results: Sequence[Result], data: str, num_test_images: int) -> Sheet:
    labels = dict.fromkeys(r.labels for r in results if r.note != QUOTED)
    return Sheet(
        data=data,
        protocol=results[0].protocol,
        labels=" and ".join(labels) or ABSENT,
        caption=_caption(results, num_test_images),
        students=tuple(dict.fromkeys(r.student for r in results)),
        lines=_lines(results),
        comparisons=tuple(compare_all(results)),
        chosen=tuple(chosen_rows(results).values()),
        teacher=next((r.teacher for r in results if r.note != QUOTED), ABSENT),
    )


def _lines(results: Sequence[Result]) -> tuple[Line, ...]:
    students = dict.fromkeys(r.student for r in results)
    scores, means = summarize(results), summarize_means(results)
    lines: list[Line] = []
    for row in ordered(results):
        cells = tuple(scores.get((row, student)) for student in students)
        line = Line(row, cells, None if None in cells else means.get(row))
        before = lines[-1] if lines else line
        both = line.is_reference and before.is_reference
        is_new = (line.size, line.is_reference) != (before.size, before.is_reference)
        lines.append(Line(row, cells, line.mean, starts_section=is_new and not both))
    return tuple(lines)


def _caption(results: Sequence[Result], num_test_images: int) -> str:
    ours = [r for r in results if r.note != QUOTED]
    lead = [r for r in ours if r.row == ordered(ours)[0]]
    seeds, draws = {r.seed for r in lead}, {r.set_seed for r in lead}
    kinds = dict.fromkeys(r.reported for r in ours)
    runs = f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
    if len(seeds) > 1 and len(draws) == 1:
        runs = f"one set, {len(seeds)} students"
    hints = ", ".join(dict.fromkeys(r.uses_hints for r in ours if r.uses_hints))
    told = f"; {hints}: THE SET'S OWN, where it brings them along" if hints else ""
    return (
        f"top-1 in %: mean ± {100 * LEVEL:.0f} % interval (Student t) over n runs; {runs}; "
        f"{' and '.join(_REPORTED[k] for k in kinds)}; test images {num_test_images}{told}"
    )


def _table(sheet: Sheet, width: int | None, between: str) -> Table:
    table = Table(box=box.HORIZONTALS, show_edge=False, padding=0)
    vertical = "bottom" if between == " " else "top"
    for header in ("distiller", "ipc", "weighting", "decoder"):
        table.add_column(header, vertical=vertical, overflow="fold")
    for header in (*sheet.students, *(["mean"] if sheet.has_mean else []), "n"):
        table.add_column(
            _folded(header, width), justify="right", vertical=vertical, overflow="fold"
        )
    for line in sheet.lines:
        if line.starts_section:
            table.add_section()
        scores = (*line.scores, line.mean) if sheet.has_mean else line.scores
        words = (line.name, line.size, line.row.weighting, line.row.decoder)
        numbers = [line.text(s).replace(" ", between, 1) for s in scores]
        cells = [*(_folded(w, width) for w in words), *map(Text, [*numbers, line.runs])]
        table.add_row(*cells, style="bold" if sheet.leads(line) else None)
    return table


def _folded(name: str, width: int | None) -> Text:
    """Break a name at its punctuation into lines no wider than `width`, where that is possible."""
    lines = [""]
    for part in re.split(r"(?<=[/_\- ])", name):
        if width and len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return Text("\n".join(line.rstrip() for line in lines if line))


def _comparison_table(comparisons: Iterable[Comparison]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for header in ("", "points", "n", "p (Holm)", "verdict"):
        table.add_column(header)
    for c in comparisons:
        n = str(c.difference.n)
        texts = (c.b.name, c.difference.signed, n, p_text(c.adjusted), in_words(c))
        table.add_row(*map(Text, texts))
    return table
