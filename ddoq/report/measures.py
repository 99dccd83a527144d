"""The field's metrics, for every table that holds what they need."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ddoq.display.narrow import IfWide
from ddoq.errors import UsageError
from ddoq.evaluation.metrics import (
    RankCorrelation,
    augmentation_robust_score,
    generalization_gap,
    hard_label_recovery,
    improvement_over_random,
    kendall,
    label_robust_score,
    over_seeds,
)
from ddoq.evaluation.results import Part, Results
from ddoq.evaluation.score import FULL, RANDOM, Row, Score
from ddoq.protocols.protocol import Protocol


@dataclass(frozen=True)
class Finding:
    """One metric of one row."""

    metric: str
    row: Row
    protocol: str
    value: Score | RankCorrelation
    note: str = ""
    """How long training on all data took, if the metric compares with it."""

    @property
    def text(self) -> str:
        """The value as a fraction, with its interval."""
        if isinstance(self.value, Score):
            half = self.value.half_width
            return f"{self.value.mean:+.3f}" + (" (n=1)" if half is None else f" ± {half:.3f}")
        span = self.value.interval
        inside = f" [{span[0]:+.2f}, {span[1]:+.2f}]" if span else ""
        return f"{self.value.tau:+.2f}{inside}, {self.value.n} architectures"

    def plain(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        value = self.value
        numbers = (
            {"mean": value.mean, "interval": value.interval, "n": value.n}
            if isinstance(value, Score)
            else {"mean": value.tau, "interval": value.interval, "n": value.n, "p": value.p}
        )
        told = {"metric": self.metric, "protocol": self.protocol, **vars(self.row), **numbers}
        return told | ({"full": self.note} if self.note else {})


MEANINGS = {
    "IOR": "the set's accuracy minus that of as many random real images",
    "HLR": "the accuracy lost, under hard labels, by training on the set instead of all images",
    "LRS": "how robust the set's worth is to labels: from its gain over random and HLR, 0 to 1",
    "ARS": "how robust its gain over random is to augmentation, 0 to 1",
    "gap": "the accuracy of the first network minus the mean of the others",
    "gap, less random's": "that gap minus the same of as many random images",
    "Kendall tau": "how far networks rank on the set as on all images: 1 is alike, -1 reversed",
}
"""Each metric in words."""


def shown(found: Sequence[Finding]) -> RenderableType:
    """Return findings as a table with what each metric means, or where it stands."""
    names = ", ".join(dict.fromkeys(f.metric for f in found))
    return IfWide("the field's metrics", _table(found), f"\n{names} of every row: in the report")


def _table(found: Sequence[Finding]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title_justify="left")
    for header in ("metric", "of", "ipc", "protocol", "value (a fraction)"):
        table.add_column(header, overflow="fold")
    for f in found:
        number = str(f.row.images_per_class)
        metric = f"{f.metric} (full: {f.note})" if f.note else f.metric
        table.add_row(*map(Text, (metric, f.row.name, number, f.protocol, f.text)))
    told = [f"{name}: {MEANINGS[name]}" for name in dict.fromkeys(f.metric for f in found)]
    table.caption = Text("\n".join(told), style="dim")
    table.caption_justify = "left"
    return table


def findings(results: Results, protocols: Sequence[Protocol] = ()) -> list[Finding]:
    """Return the metrics of every row that is not a reference itself.

    With several teachers, the first one's results count. ARS is computed if `protocols` holds a
    pair with and without augmentation.
    """
    parts = results.of_first_teacher
    pairs = [(p.id, q.id) for p in protocols for q in protocols if q.is_unaugmented(p)]
    rows = dict.fromkeys(r.row for part in parts for r in part.ours if not r.row.is_reference)
    return [finding for row in rows for finding in _of_row(parts, row, pairs)]


def _of_row(parts: Sequence[Part], row: Row, pairs: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    gains: dict[str, Score] = {}
    losses: dict[str, Score] = {}
    for part in parts:
        found = part.references(row)
        gain = _gain(part, row)
        is_hard = part.labels == "hard" and FULL in found
        loss = _scored(hard_label_recovery, part.paired(found[FULL], row)) if is_hard else None
        if gain:
            gains[part.protocol] = gain
            yield Finding("IOR", row, part.protocol, gain)
        if loss:
            losses[part.protocol] = loss
            yield Finding("HLR", row, part.protocol, loss, found[FULL].note)
        yield from _gap(part, row)
        yield from _ranks(part, row)
    yield from _augmentation(gains, row, pairs)
    for hard in [part for part in parts if part.protocol in losses]:
        yield from _robust(parts, row, hard, losses[hard.protocol])


def _robust(parts: Sequence[Part], row: Row, hard: Part, loss: Score) -> Iterator[Finding]:
    """Combine the gain under each other protocol with the loss under hard labels."""
    full = hard.references(row)[FULL]
    # The loss is over the architectures that were trained on all data, and so must the gain be.
    students = {run.student for run in hard.of(full)}
    for soft in parts:
        gain = _gain(soft, row, students)
        if soft is not hard and gain and gain.n == loss.n:
            score = over_seeds(label_robust_score, gain.values, loss.values)
            yield Finding("LRS", row, f"{soft.protocol} and {hard.protocol}", score, full.note)


def _gain(part: Part, row: Row, students: Collection[str] | None = None) -> Score | None:
    """Return a row's gain over random images under one protocol."""
    random = part.references(row).get(RANDOM)
    if random is None:
        return None
    return _scored(improvement_over_random, part.paired(row, random, students=students))


def _scored(metric: Any, values: tuple[list[float], list[float]]) -> Score | None:
    return over_seeds(metric, *values) if values[0] else None


def _augmentation(
    gains: Mapping[str, Score], row: Row, pairs: Sequence[tuple[str, str]]
) -> Iterator[Finding]:
    """Compare the gains over random images with and without augmentation."""
    for augmented, plain in pairs:
        both = [gains[p] for p in (augmented, plain) if p in gains]
        if len(both) == 2 and both[0].n == both[1].n:
            score = over_seeds(augmentation_robust_score, both[0].values, both[1].values)
            yield Finding("ARS", row, f"{augmented} and {plain}", score)


def _gap(part: Part, row: Row) -> Iterator[Finding]:
    """Compare the first student with the mean of the others, also minus random images' gap."""
    own = _gaps(part, row)
    if own:
        yield Finding("gap", row, part.protocol, Score(tuple(own.values())))
    random = part.references(row).get(RANDOM)
    others = _gaps(part, random) if random else {}
    if common := sorted(own.keys() & others.keys()):
        excess = tuple(own[s] - others[s] for s in common)
        yield Finding("gap, less random's", row, part.protocol, Score(excess))


def _gaps(part: Part, row: Row) -> dict[int, float]:
    """Return the gap at each seed at which all students ran."""
    students = list(dict.fromkeys(run.student for run in part.ours))
    of_seed: dict[int, dict[str, float]] = {}
    for run in part.of(row):
        of_seed.setdefault(run.seed, {})[run.student] = run.top1
    whole = {seed: top1 for seed, top1 in of_seed.items() if len(top1) == len(students) > 1}
    return {seed: generalization_gap(top1, students[0]) for seed, top1 in whole.items()}


def _ranks(part: Part, row: Row) -> Iterator[Finding]:
    """Correlate the order of architectures with that on all data, if there are at least five."""
    full = part.references(row).get(FULL)
    if full is None:
        return
    pairs = [(part.score(row, s), part.score(full, s)) for s in part.students]
    means = [(mine.mean, all_data.mean) for mine, all_data in pairs if mine and all_data]
    try:
        found = kendall([mine for mine, _ in means], [all_data for _, all_data in means])
    except UsageError:
        # There are too few architectures, or all accuracies are equal.
        return
    yield Finding("Kendall tau", row, part.protocol, found, full.note)
