"""Results: runs, indexed once by protocol, teacher, row, student and seed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from statistics import fmean
from typing import overload

from ddoq.display.notebook import html_table, text_table
from ddoq.errors import UsageError
from ddoq.evaluation.choice import chosen, method_of
from ddoq.evaluation.score import (
    ABSENT,
    FULL,
    RANDOM,
    Comparison,
    Result,
    Row,
    Score,
    holm,
    p_value,
)


class Part:
    """Runs that can be compared: under one protocol and, with soft labels, by one teacher."""

    def __init__(self, runs: Sequence[Result]) -> None:
        self.runs = tuple(runs)
        self.ours = tuple(r for r in runs if not r.is_quoted)
        known = self.ours or self.runs
        self.protocol, self.teacher = known[0].protocol, known[0].teacher
        self.labels = known[0].labels
        self.rows = ordered(r.row for r in runs)
        self.students = tuple(dict.fromkeys(r.student for r in runs))
        self._runs: dict[Row, dict[str, dict[int, Result]]] = {}
        for run in runs:
            seeds = self._runs.setdefault(run.row, {}).setdefault(run.student, {})
            if run.seed in seeds:
                raise UsageError(
                    f"{run.row.name}, {run.student}, seed {run.seed} is listed twice",
                    "keep one of the two runs: counted twice, it would narrow the interval",
                )
            seeds[run.seed] = run

    def of(self, row: Row, student: str | None = None) -> list[Result]:
        """Return the runs of a row, for all students or for one."""
        students = self._runs.get(row, {})
        chosen = students if student is None else {student: students.get(student, {})}
        return [run for seeds in chosen.values() for run in seeds.values()]

    def score(self, row: Row, student: str) -> Score | None:
        """Return the score over seeds of a row and a student, if there is one."""
        runs = self.of(row, student)
        return Score(tuple(r.top1 for r in runs)) if runs else None

    def mean(self, row: Row) -> Score | None:
        """Return the score of a row's mean over its architectures.

        Only seeds at which all of them ran count. Without such a seed there is no mean.
        """
        values = tuple(self._means(row, self._runs.get(row, {})).values())
        return Score(values) if values else None

    def paired(
        self, a: Row, b: Row, other: "Part | None" = None, students: Iterable[str] | None = None
    ) -> tuple[list[float], list[float]]:
        """Return the means of two rows over the architectures that both have, at common seeds.

        The second row may belong to another part. Only the architectures in `students` count.
        """
        other = other or self
        shared = [s for s in self._runs.get(a, {}) if s in other._runs.get(b, {})]
        shared = [s for s in shared if students is None or s in students]
        of_a, of_b = self._means(a, shared), other._means(b, shared)
        seeds = [seed for seed in of_a if seed in of_b]
        return [of_a[s] for s in seeds], [of_b[s] for s in seeds]

    def _means(self, row: Row, students: Iterable[str]) -> dict[int, float]:
        """Average over some students, for each seed at which all of them ran."""
        runs = [self._runs[row][s] for s in students]
        seeds = sorted(set(runs[0]).intersection(*runs)) if runs else []
        return {seed: fmean(r[seed].top1 for r in runs) for seed in seeds}

    def compare(self, pairs: Iterable[tuple[Row, Row]]) -> list[Comparison]:
        """Compare pairs of rows, with Holm's correction over all of them.

        A pair without a common seed and architecture is left out.
        """
        found = [(a, b, self.paired(a, b)) for a, b in pairs]
        differences = [
            (a, b, [x - y for x, y in zip(first, second, strict=True)])
            for a, b, (first, second) in found
            if first
        ]
        tests = [(a, b, Score(tuple(d)), p_value(d)) for a, b, d in differences]
        adjusted = iter(holm([p for *_, p in tests if p is not None]))
        return [Comparison(*test, None if test[-1] is None else next(adjusted)) for test in tests]

    def references(self, row: Row) -> dict[str, Row]:
        """Return the rows of all data and of equally many random images, by name."""
        of_size = (FULL, 0), (RANDOM, row.images_per_class)
        rows = dict.fromkeys(r.row for r in self.ours)
        return {r.distiller: r for r in rows if (r.distiller, r.images_per_class) in of_size}

    @cached_property
    def chosen(self) -> Mapping[int, Row]:
        """The variant of the leading method that was chosen for each size, if one was."""
        rows = [row for row in self.rows if not row.is_quoted]
        return chosen(self.ours, method_of(rows[0])) if rows else {}

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Comparisons of each size's leading row with the other rows of its size and with all data.

        If a variant was chosen on validation images, it leads, and is compared with the rows of
        other methods.
        """
        rows = [row for row in self.rows if not row.is_quoted]
        pairs: list[tuple[Row, Row]] = []
        for size in dict.fromkeys(r.images_per_class for r in rows if not r.is_reference):
            lead, *others = [r for r in rows if r.images_per_class == size or r.distiller == FULL]
            if size in self.chosen:
                lead = self.chosen[size]
                others = [r for r in others if method_of(r) != method_of(lead)]
            pairs += [(lead, other) for other in others]
        return self.compare(pairs)


class Results(Sequence[Result]):
    """All runs of one or more tables. Each of `parts` holds runs that can be compared.

    A terminal and a notebook show them as tables.
    """

    def __init__(self, runs: Iterable[Result]) -> None:
        self._runs = tuple(runs)
        groups: dict[tuple[str, str], list[Result]] = {}
        of_protocol: dict[str, tuple[str, str]] = {}
        for run in self._runs:
            key = (run.protocol, run.teacher)
            first = of_protocol.setdefault(run.protocol, key)
            # A published number stands beside ours, whichever teacher it used.
            groups.setdefault(first if run.is_quoted else key, []).append(run)
        self.parts = [Part(group) for group in groups.values()]

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Result]: ...
    def __getitem__(self, index: int | slice) -> Result | Sequence[Result]:
        return self._runs[index]

    def __iter__(self) -> Iterator[Result]:
        return iter(self._runs)

    def __eq__(self, other: object) -> bool:
        return self._runs == other._runs if isinstance(other, Results) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # so that nobody takes it for a key

    def __repr__(self) -> str:
        return "\n".join(text_table(*_shown(part)) for part in self.parts) or "no results"

    def _repr_html_(self) -> str:
        return "".join(html_table(*_shown(part)) for part in self.parts) or "no results"

    @property
    def of_first_teacher(self) -> list[Part]:
        """The parts of the first teacher, and those without a teacher."""
        teachers = [p.teacher for p in self.parts if p.ours and p.teacher != ABSENT]
        return [p for p in self.parts if p.ours and p.teacher in (ABSENT, *teachers[:1])]

    def of_protocol(self, protocol: str) -> list[Part]:
        """Return the parts under a protocol, one for each teacher."""
        return [p for p in self.parts if p.protocol == protocol]

    @property
    def only(self) -> Part:
        """The only part; an error if not all runs can be compared."""
        if len(self.parts) == 1:
            return self.parts[0]
        kinds = ", ".join(sorted({f"{p.protocol} ({p.teacher})" for p in self.parts}))
        raise UsageError(
            f"runs under {kinds} cannot be compared",
            "use one of `parts`: there is one for each protocol and teacher",
        )


def _shown(part: Part) -> tuple[str, list[str], list[list[str]]]:
    """Return a part as a title, a header and rows of texts, in percent."""
    of = f", {part.labels} labels" + (f" of {part.teacher}" if part.teacher != ABSENT else "")
    rows = [
        [
            row.name,
            str(row.images_per_class or "all"),
            *(s.text if (s := part.score(row, student)) else ABSENT for student in part.students),
        ]
        for row in part.rows
    ]
    return f"{part.protocol}{of}", ["row", "per class", *part.students], rows


def ordered(rows: Iterable[Row]) -> list[Row]:
    """Order rows by size, all data last; then the method, its uniform weighting, others, random."""
    rows = list(dict.fromkeys(rows))
    own = [r.distiller for r in rows if not r.is_reference and not r.is_quoted]

    def place(row: Row) -> tuple[int, int, int]:
        if row.distiller == FULL:
            return 1, 0, 0
        if row.distiller == RANDOM:
            return 0, row.images_per_class, 3
        is_own = row.distiller in own[:1] and not row.is_quoted
        return 0, row.images_per_class, int(row.weighting == "uniform") if is_own else 2

    return sorted(rows, key=place)
