"""What else do a run's results say? The field's metrics, wherever a table holds what they need."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

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
from ddoq.evaluation.score import ABSENT, Result, Row, Score, paired_means, summarize
from ddoq.protocols.protocol import Protocol
from ddoq.report.comparisons import FULL, QUOTED, RANDOM


@dataclass(frozen=True)
class Finding:
    """One metric of one row."""

    metric: str
    row: Row
    protocol: str
    value: Score | RankCorrelation

    @property
    def text(self) -> str:
        """The value as fractions, with its interval."""
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
        return {"metric": self.metric, "protocol": self.protocol, **vars(self.row), **numbers}


def table(found: Sequence[Finding]) -> Table:
    """Return findings as a table for the terminal."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title_justify="left")
    for header in ("metric", "of", "ipc", "protocol", "value (a fraction)"):
        shown.add_column(header)
    for f in found:
        number = str(f.row.images_per_class)
        shown.add_row(*map(Text, (f.metric, f.row.name, number, f.protocol, f.text)))
    return shown


def findings(results: Sequence[Result], protocols: Sequence[Protocol] = ()) -> list[Finding]:
    """Return the metrics of every row that is not a reference itself.

    Of several teachers, those of the first; ARS where `protocols` holds one with and one without
    augmentation.
    """
    ours = [r for r in results if r.note != QUOTED]
    first = next((r.teacher for r in ours if r.teacher != ABSENT), ABSENT)
    ours = [r for r in ours if r.teacher in (first, ABSENT)]
    pairs = [(p.id, q.id) for p in protocols for q in protocols if q.is_unaugmented(p)]
    rows = dict.fromkeys(r.row for r in ours if r.distiller not in (RANDOM, FULL))
    return [finding for row in rows for finding in _of_row(ours, row, pairs)]


def _of_row(
    results: Sequence[Result], row: Row, pairs: Sequence[tuple[str, str]]
) -> Iterator[Finding]:
    gains: dict[str, Score] = {}
    losses: dict[str, Score] = {}
    ours = [r for r in results if r.row == row]
    protocols = dict.fromkeys((r.protocol, r.labels) for r in results)
    for protocol, labels in protocols:
        own = [r for r in results if r.protocol == protocol]
        of = {r.distiller: [x for x in own if x.row == r] for r in _references(own, row)}
        mine = [r for r in ours if r.protocol == protocol]
        gain = _gain(own, row)
        loss = _paired(hard_label_recovery, of.get(FULL, []), mine) if labels == "hard" else None
        if gain:
            gains[protocol] = gain
            yield Finding("IOR", row, protocol, gain)
        if loss:
            losses[protocol] = loss
            yield Finding("HLR", row, protocol, loss)
        yield from _gap(own, row, protocol)
        yield from _ranks(own, row, of.get(FULL, []), protocol)
    yield from _augmentation(gains, row, pairs)
    for hard, loss in losses.items():
        # The loss is over the architectures that all data were trained on: so must the gain be.
        known = {r.student for r in results if (r.distiller, r.protocol) == (FULL, hard)}
        for soft in gains:
            own = [r for r in results if r.protocol == soft and r.student in known]
            gain = _gain(own, row)
            if gain and gain.n == loss.n and soft != hard:
                score = over_seeds(label_robust_score, gain.values, loss.values)
                yield Finding("LRS", row, f"{soft} and {hard}", score)


def _gain(results: Sequence[Result], row: Row) -> Score | None:
    """Return a row's gain over random images, in the runs of one protocol."""
    random = [r for r in _references(results, row) if r.distiller == RANDOM]
    mine = [r for r in results if r.row == row]
    others = [r for r in results if r.row in random]
    return _paired(improvement_over_random, mine, others)


def _augmentation(
    gains: Mapping[str, Score], row: Row, pairs: Sequence[tuple[str, str]]
) -> Iterator[Finding]:
    """Compare the gains over random images with and without augmentation."""
    for augmented, plain in pairs:
        both = [gains[p] for p in (augmented, plain) if p in gains]
        if len(both) == 2 and both[0].n == both[1].n:
            score = over_seeds(augmentation_robust_score, both[0].values, both[1].values)
            yield Finding("ARS", row, f"{augmented} and {plain}", score)


def _gap(results: Sequence[Result], row: Row, protocol: str) -> Iterator[Finding]:
    """Compare the first student with the mean of the others, less the same of random images."""
    students = list(dict.fromkeys(r.student for r in results))
    rows = [row, *(r for r in _references(results, row) if r.distiller == RANDOM)]
    gaps: list[dict[int, float]] = []
    for one in rows:
        runs = [r for r in results if r.row == one]
        of_seed = {r.seed: {x.student: x.top1 for x in runs if x.seed == r.seed} for r in runs}
        whole = {seed: top1 for seed, top1 in of_seed.items() if len(top1) == len(students) > 1}
        gaps.append({s: generalization_gap(top1, students[0]) for s, top1 in whole.items()})
    if gaps[0]:
        yield Finding("gap", row, protocol, Score(tuple(gaps[0].values())))
    if len(gaps) == 2 and (common := gaps[0].keys() & gaps[1].keys()):
        excess = tuple(gaps[0][s] - gaps[1][s] for s in sorted(common))
        yield Finding("gap, less random's", row, protocol, Score(excess))


def _references(results: Sequence[Result], row: Row) -> list[Row]:
    """Return the rows of the full data, and of random images of the same number."""
    rows = dict.fromkeys(r.row for r in results)
    of_size = (FULL, 0), (RANDOM, row.images_per_class)
    return [r for r in rows if (r.distiller, r.images_per_class) in of_size]


def _paired(metric: Any, first: Sequence[Result], second: Sequence[Result]) -> Score | None:
    values = paired_means(first, second)
    return over_seeds(metric, *values) if values[0] else None


def _ranks(
    results: Sequence[Result], row: Row, full: Sequence[Result], protocol: str
) -> Iterator[Finding]:
    """Correlate the order of architectures with that on all data, if there are five."""
    means = summarize(results)
    mine = {s: score.mean for (r, s), score in means.items() if r == row}
    all_data = {s: score.mean for (r, s), score in means.items() if full and r == full[0].row}
    common = [s for s in mine if s in all_data]
    try:
        found = kendall([mine[s] for s in common], [all_data[s] for s in common])
    except UsageError:
        # Too few, or all equal: there is nothing to say.
        return
    yield Finding("Kendall tau", row, protocol, found)
