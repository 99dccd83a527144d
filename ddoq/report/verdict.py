"""How a set compares with random real images: the outcome behind every sentence of the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ddoq.evaluation.results import Part, Results
from ddoq.evaluation.score import ABSENT, FULL, LEVEL, RANDOM, Comparison, Row, Score

Judgment = Literal["better", "worse", "undecided", "one seed", "no spread", "no random"]
NEAREST = "nearest"
# From this half-width of an accuracy on, by the number of test images alone, there are too few.
_WIDE = 0.05


@dataclass(frozen=True)
class Verdict:
    """A size's leading row under one protocol, beside random images and all data."""

    row: Row
    protocol: str
    labels: str
    score: Score | None
    """The mean over students, if all of them ran."""
    students: tuple[str, ...]
    random: Score | None
    """That of random real images."""
    full: Score | None
    """The mean over the students that were trained on all data."""
    full_students: tuple[str, ...]
    against_random: Comparison | None
    against_full: Comparison | None
    is_given: bool = False
    """Whether others made the set, which is scored: each of such sets is judged."""

    @property
    def group(self) -> tuple[int, str]:
        """What one sentence is about: a size, or a given set of it."""
        return self.row.images_per_class, self.row.distiller if self.is_given else ""

    @property
    def outcome(self) -> Judgment:
        """Return how the row compares with random real images."""
        found = self.against_random
        if found is None:
            return "no random"
        if found.p is None:
            return "one seed" if found.difference.n == 1 else "no spread"
        return found.verdict

    @property
    def is_firm(self) -> bool:
        """Whether a difference remains after the correction for several comparisons."""
        found = self.against_random
        return found is not None and found.adjusted is not None and found.adjusted <= 1 - LEVEL

    @property
    def is_hedged(self) -> bool:
        """Whether there is a difference, but not after that correction."""
        return self.outcome in ("better", "worse") and not self.is_firm

    @property
    def brief(self) -> str:
        """The verdict in a few words, for a table."""
        words = {
            "undecided": "not shown",
            "one seed": "one seed, no test",
            "no spread": "no spread, no test",
            "no random": "not compared",
        }
        brief = words.get(self.outcome, self.outcome)
        return f"{brief}, taken alone" if self.is_hedged else brief

    def heading(self, among: "Sequence[Verdict]") -> str:
        """Return what a table calls this verdict: its labels, or its protocol."""
        return condition(self, among).removeprefix("under ")


@dataclass(frozen=True)
class FewTested:
    """Test images that are too few to judge by. Seeds do not vary them, so more do not help."""

    number: int
    half_width: float
    """What their number alone leaves open of an accuracy, at 95 %."""
    share: float | None
    """What share of each class was set aside for test, if the data have such a setting."""
    kind: str = "test"
    """What they are called: test or validation images."""

    def hides(self, verdict: Verdict) -> bool:
        """Say whether a difference is smaller than what their number leaves open."""
        found = verdict.against_random
        return found is not None and abs(found.difference.mean) < self.half_width


def measured_on(split: str | None) -> str:
    """Return what the images of a split are called, on which accuracies are measured."""
    return "validation" if split == "val" else "test"


def few_tested(
    found: Sequence[Verdict],
    number: int | None,
    share: float | None = None,
    split: str | None = None,
) -> FewTested | None:
    """Return the test images if they are too few to judge by, and None if not."""
    accuracy = next((v.score.mean for v in found if v.score), None)
    if not number or accuracy is None:
        return None
    half = 1.96 * (accuracy * (1 - accuracy) / number) ** 0.5
    return FewTested(number, half, share, measured_on(split)) if half >= _WIDE else None


def verdicts(results: Results) -> list[Verdict]:
    """Return the verdict of each size under each protocol, soft labels first.

    Of sets that are scored, each has its own. With several teachers, the first one's results count.
    """
    parts = sorted(results.of_first_teacher, key=lambda part: part.labels == "hard")
    return [verdict for part in parts for verdict in _of_part(part)]


def others(part: Part, lead: Row) -> list[Comparison]:
    """Return the comparisons of a leading row with rows that are no reference."""
    return [c for c in part.comparisons if c.a == lead and not c.b.is_reference]


def part_of(results: Results, verdict: Verdict) -> Part:
    """Return the part that a verdict is of."""
    return next(p for p in results.of_first_teacher if p.protocol == verdict.protocol)


def _leads(part: Part) -> list[Row]:
    own = [row for row in part.rows if not row.is_quoted and not row.is_reference]
    first = {row.images_per_class: row for row in reversed(own)}
    leading = {**first, **part.chosen}
    return [leading[size] for size in dict.fromkeys(row.images_per_class for row in own)]


def _of_part(part: Part) -> list[Verdict]:
    leads, given = _leads(part), [row for row in part.rows if _is_given(part, row)]
    more = [row for row in given if row not in leads]
    # The table's own comparisons count in the correction of those beside them.
    pairs = [(c.a, c.b) for c in part.comparisons]
    pairs += [(row, beside) for row in more for beside in part.references(row).values()]
    added = part.compare(pairs)[len(part.comparisons) :] if more else []
    return [
        _verdict(part, row, [*part.comparisons, *added])
        for row in part.rows
        if row in leads or row in more
    ]


def _is_given(part: Part, row: Row) -> bool:
    return any(run.read for run in part.of(row))


def _verdict(part: Part, row: Row, comparisons: Sequence[Comparison]) -> Verdict:
    against = {c.b.distiller: c for c in reversed(comparisons) if c.a == row}
    beside = part.references(row)
    random, full = beside.get(RANDOM), beside.get(FULL)
    return Verdict(
        row,
        part.protocol,
        part.labels,
        part.mean(row),
        tuple(s for s in part.students if part.of(row, s)),
        part.mean(random) if random else None,
        part.mean(full) if full else None,
        tuple(s for s in part.students if full and part.of(full, s)),
        against.get(RANDOM),
        against.get(FULL),
        _is_given(part, row),
    )


def condition(verdict: Verdict, among: Sequence[Verdict]) -> str:
    """Return under what a verdict holds: `under hard labels`, or the protocol's id."""
    protocols = {v.protocol for v in among if v.labels == verdict.labels}
    if len(protocols) > 1:
        return f"under protocol {verdict.protocol}"
    return f"under {verdict.labels}{'' if verdict.labels == 'targets' else ' labels'}"


def teacher_accuracy(pushforward: Mapping[str, Any] | None) -> float | None:
    """Return the share of held-out real images that the teacher puts in their class."""
    return pushforward.get("real_in_class") if pushforward else None


def figures_of_row(pushforward: Mapping[str, Any] | None, row: Row) -> Mapping[str, Any]:
    """Return the push-forward's figures of a row, as in `summary.json`."""
    known = ("distiller", "images_per_class", "weighting", "decoder")
    for found in (pushforward or {}).get("sets", ()):
        if all(found[k] == getattr(row, k) for k in known):
            return found
    return {}


def is_nearest(row: Row) -> bool:
    """Say whether a row's images are real ones, the nearest to each point."""
    return row.decoder != ABSENT and row.decoder.split("(")[0] == NEAREST
