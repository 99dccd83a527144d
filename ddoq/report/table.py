"""The tables of results: one per protocol and teacher, and one across them if it is asked for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from ddoq.display.narrow import fitting, listed
from ddoq.evaluation.results import Part, Results, ordered
from ddoq.evaluation.score import ABSENT, FULL, LEVEL, Comparison, Row, Score
from ddoq.report.comparisons import COMPARED, comparison_list, comparison_table
from ddoq.report.verdict import measured_on

_REPORTED = {
    "last": "last epoch",
    "best": "BEST OF SEVERAL EVALUATIONS ON THESE IMAGES, as the protocol has it",
    "ema": "running mean of the weights",
}
# The width of a column of words in a narrow terminal, and in a very narrow one.
_NARROW, _NARROWEST = 9, 6


@dataclass(frozen=True)
class Line:
    """One row of the table with its scores. It has a mean only if all students ran."""

    row: Row
    scores: tuple[Score | None, ...]
    mean: Score | None
    starts_section: bool = False

    @property
    def name(self) -> str:
        """The distiller, with a remark on its numbers."""
        return f"{self.row.distiller} ({self.row.note})" if self.row.note else self.row.distiller

    @property
    def size(self) -> str:
        """The images per class."""
        return "all" if self.row.distiller == FULL else str(self.row.images_per_class)

    @property
    def runs(self) -> str:
        """The number of runs of each score, as a range if they differ."""
        counts = sorted({score.n for score in self.scores if score})
        if self.row.is_quoted or not counts:
            return ABSENT
        return str(counts[0]) if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"

    def text(self, score: Score | None) -> str:
        """Return a score as text of the table. A quoted one has no interval of ours."""
        if score is None:
            return ABSENT
        return f"{100 * score.mean:.1f}" if self.row.is_quoted else score.text


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
    """The variants chosen on validation images."""
    teacher: str = ABSENT
    names_teacher: bool = False
    """Whether there are sheets of other teachers too."""
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
        """Say whether others are compared with this line."""
        return line.row in self.chosen if self.chosen else line is self.lines[0]

    def heading(self, lead: Row) -> str:
        """Return the heading of a comparison: the leading row, and how it was chosen."""
        how = " (chosen on validation images)" if lead in self.chosen else ""
        return f"{lead.name}, {lead.images_per_class} per class{how}, minus"

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Show the sheet as wide as the terminal allows. Long cells are wrapped, not cut."""
        layouts = [
            _table(self, None, " "),
            _table(self, _NARROW, " "),
            _table(self, _NARROWEST, "\n"),
        ]
        table = fitting(console, options, layouts)
        yield Text(self.title, style="bold")
        yield from [table] if table else _list(self)
        yield Text(self.caption, style="dim")
        for lead in dict.fromkeys(c.a for c in self.comparisons):
            own = [c for c in self.comparisons if c.a == lead]
            compared = fitting(console, options, [comparison_table(own)])
            yield Text(f"\n{self.heading(lead)}", style="bold")
            yield from [compared] if compared else comparison_list(own)
        if self.comparisons:
            yield Text(COMPARED, style="dim")


def sheets(
    results: Results, *, data: str, num_test_images: int, split: str | None = None
) -> list[Sheet]:
    """Make one sheet per protocol and teacher, in the order in which they appear."""
    images = f"{measured_on(split)} images {num_test_images}"
    made = [_sheet(part, data, images) for part in results.parts]
    several = len({s.teacher for s in made} - {ABSENT}) > 1
    return [replace(s, names_teacher=several and s.teacher != ABSENT) for s in made]


def across(results: Results, *, data: str) -> Sheet:
    """Make one sheet over several protocols or teachers, with a column for each.

    A score is the mean over all students of its column. The sheet holds no comparisons, and says
    that columns cannot be compared.
    """
    columns = {_column(part): part for part in results.parts if part.ours}
    rows = ordered(run.row for part in columns.values() for run in part.ours)
    scores = {row: tuple(_of_all_students(p, row) for p in columns.values()) for row in rows}
    return Sheet(
        data=data,
        protocol=f"ACROSS {len(columns)} PROTOCOLS OR TEACHERS, as asked for",
        labels="each its own",
        caption="mean over students of top-1 in %; columns are different measurements: compare "
        "rows within a column, never numbers of two columns",
        students=tuple(columns),
        lines=tuple(Line(row, own, None) for row, own in scores.items() if any(own)),
        comparisons=(),
        is_across=True,
    )


def _column(part: Part) -> str:
    return part.protocol + (f" ({part.teacher})" if part.teacher != ABSENT else "")


def _of_all_students(part: Part, row: Row) -> Score | None:
    """Return a row's mean, if all students of the part were trained on it."""
    students = {run.student for run in part.ours}
    return part.mean(row) if {run.student for run in part.of(row)} == students else None


def _sheet(part: Part, data: str, images: str) -> Sheet:
    return Sheet(
        data=data,
        protocol=part.protocol,
        labels=part.labels if part.ours else ABSENT,
        caption=_caption(part, images) if part.ours else "quoted numbers alone",
        students=part.students,
        lines=_lines(part),
        comparisons=tuple(part.comparisons),
        chosen=tuple(part.chosen.values()),
        teacher=part.teacher,
    )


def _lines(part: Part) -> tuple[Line, ...]:
    lines: list[Line] = []
    for row in part.rows:
        scores = tuple(part.score(row, student) for student in part.students)
        line = Line(row, scores, _of_all_students(part, row))
        before = lines[-1] if lines else line
        both = row.is_reference and before.row.is_reference
        is_new = (line.size, row.is_reference) != (before.size, before.row.is_reference)
        lines.append(replace(line, starts_section=is_new and not both))
    return tuple(lines)


def _caption(part: Part, images: str) -> str:
    lead = part.of(next(row for row in part.rows if not row.is_quoted))
    seeds, draws = {r.seed for r in lead}, {r.set_seed for r in lead}
    kinds = dict.fromkeys(r.reported for r in part.ours)
    runs = f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
    if len(seeds) > 1 and len(draws) == 1:
        runs = f"one set, {len(seeds)} seeds of the students"
    hints = ", ".join(dict.fromkeys(r.uses_hints for r in part.ours if r.uses_hints))
    read = {r.distiller: f"; {r.distiller}: {r.read}" for r in part.ours if r.read}
    given = "".join(read.values())
    told = f"; {hints}: THE SET'S OWN, where it brings them along" if hints else ""
    return (
        f"ipc: images per class; top-1 in %: mean ± {100 * LEVEL:.0f} % interval (Student t) "
        f"over n runs; {runs}; "
        f"{' and '.join(_REPORTED[k] for k in kinds)}; {images}{told}{given}"
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


def _list(sheet: Sheet) -> Iterator[RenderableType]:
    """Yield each row with a line for each score, for a terminal too narrow for a table."""
    columns = (*sheet.students, *(["mean"] if sheet.has_mean else []))
    for line in sheet.lines:
        scores = (*line.scores, line.mean) if sheet.has_mean else line.scores
        size = "all images" if line.size == "all" else f"{line.size} per class"
        cells = [(name, line.text(s)) for name, s in zip(columns, scores, strict=True) if s]
        style = "bold" if sheet.leads(line) else ""
        yield from listed(f"{line.row.name}, {size}, n={line.runs}", cells, style)


def _folded(name: str, width: int | None) -> Text:
    """Break a name at its punctuation into lines no wider than `width`, if possible."""
    lines = [""]
    for part in re.split(r"(?<=[/_\- ])", name):
        if width and len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return Text("\n".join(line.rstrip() for line in lines if line))
