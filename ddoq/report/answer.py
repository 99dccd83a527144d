"""The answer of a run in words: how good the set is, whether that is shown, and what to try next.

Everything is derived from the results and, where they are known, from the figures of the images. So
a report that is made from saved files gives the same answer as the run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.padding import Padding
from rich.text import Text

from ddoq.evaluation.results import Results
from ddoq.evaluation.score import Comparison, Score, signed_points
from ddoq.report.advice import advice
from ddoq.report.notes import notes
from ddoq.report.verdict import (
    FewTested,
    Verdict,
    condition,
    few_tested,
    measured_on,
    verdicts,
)

_MOST_SENTENCES = 2


@dataclass(frozen=True)
class Answer:
    """The answer in words."""

    headline: tuple[str, ...]
    """One sentence or two for each size."""
    accuracies: tuple[str, ...]
    """One sentence for each size and protocol: how good the set, random and all images are."""
    notes: tuple[str, ...]
    """What a reader of the numbers should know."""
    steps: tuple[str, ...]
    """What to try next, by simple rules."""

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        """Show the answer below the tables."""
        yield Text("\nIn words", style="bold")
        for line in self.headline:
            yield Text(line, style="bold")
        # Several sizes and protocols are better read in their tables.
        accuracies = self.accuracies if len(self.accuracies) <= _MOST_SENTENCES else ()
        for line in (*accuracies, *self.notes):
            yield Text(line)
        if self.steps:
            yield Text("What to try next:")
        for line in self.steps:
            yield Padding(Text(f"- {line}"), (0, 0, 0, 2), expand=False)


def answer(
    results: Results,
    pushforward: Mapping[str, Any] | None = None,
    smallest_class: int | None = None,
    num_test_images: int | None = None,
    test_share: float | None = None,
    split: str | None = None,
) -> Answer:
    """Return the answer of results. What else is known of their run is as in `summary.json`."""
    found = verdicts(results)
    if not found:
        return Answer(("Only real images were measured: there is no set to judge.",), (), (), ())
    few = few_tested(found, num_test_images, test_share, split)
    told = notes(results, found, pushforward, few)
    steps = advice(results, found, pushforward, smallest_class, few)
    accuracies = tuple(_accuracies(found, measured_on(split)))
    return Answer(headline(found, few), accuracies, tuple(told), tuple(steps))


def headline(found: Sequence[Verdict], few: FewTested | None = None) -> tuple[str, ...]:
    """Return a line for each size, or each set that is scored, with its outcome by protocol."""
    groups = dict.fromkeys(v.group for v in found)
    on = f" on these {few.number} {few.kind} images" if few else ""
    return tuple(_line([v for v in found if v.group == group], on) for group in groups)


def _line(found: Sequence[Verdict], on: str) -> str:
    first, *rest = found
    under = f" {condition(first, found)}{on}"
    sentences = [f"{_subject(first)} {_predicate(first, under)}."]
    for other in rest:
        if other.outcome != "no random":
            is_same = other.is_given or other.row == first.row
            name = "" if is_same else _named(other, first)
            sentences.append(f"{condition(other, found).capitalize()} {name}{_also(other, first)}.")
    return " ".join(sentences)


def _named(other: Verdict, first: Verdict) -> str:
    return f"{other.row.name} leads instead of {first.row.name}; "


def _subject(verdict: Verdict) -> str:
    return f"The set {verdict.row.name} of {_per_class(verdict.row.images_per_class)}"


def _per_class(number: int) -> str:
    return f"{number} image{'' if number == 1 else 's'} per class"


def _predicate(verdict: Verdict, under: str) -> str:
    """Say how a row compares with random real images: the verb, the condition, the numbers."""
    found = verdict.against_random
    if found is None:
        return f"is not compared with random real images{under}: the table has no such row"
    numbers = _numbers(found)
    if verdict.outcome == "one seed":
        return (
            f"differs from random real images by {_points(found)} points{under}, at a single seed; "
            "whether that is chance cannot be said"
        )
    if verdict.outcome == "no spread":
        return (
            f"differs from random real images by the same {_points(found)} points at each of "
            f"{found.difference.n} seeds{under}; without any spread there is no test"
        )
    verb = {
        "better": "beats random real images",
        "worse": "is worse than random real images",
        "undecided": "is not shown to beat random real images",
    }[found.verdict]
    return f"{verb}{under} ({numbers}{_hedge(verdict)})"


def _also(verdict: Verdict, first: Verdict) -> str:
    """Say the same of a further protocol, in short."""
    found = verdict.against_random
    assert found is not None
    difference = found.difference.signed
    before = first.outcome
    if verdict.outcome == "better":
        return f"it {'does too' if before == 'better' else 'does'}: {difference}{_hedge(verdict)}"
    if verdict.outcome == "worse":
        return f"it is {'also ' if before == 'worse' else ''}worse: {difference}{_hedge(verdict)}"
    if verdict.outcome == "undecided":
        less = "it is not shown to either" if before == "undecided" else "it is not shown to"
        return f"{less}: {difference}"
    return f"the difference is {difference}, which no test can judge"


def _hedge(verdict: Verdict) -> str:
    """Say if a difference does not remain after Holm's correction."""
    return "; not certain among all comparisons of its table" if verdict.is_hedged else ""


def _points(found: Comparison) -> str:
    return signed_points(found.difference.mean)


def _numbers(found: Comparison) -> str:
    score = found.difference
    return f"{score.signed} points, {score.n} seed{'' if score.n == 1 else 's'}"


def _accuracies(found: Sequence[Verdict], kind: str) -> Iterator[str]:
    """Say how many test or validation images are recognized after training on each."""
    several_given = len({v.group for v in found if v.is_given}) > 1
    for verdict in found:
        name = f"the set {verdict.row.name}" if several_given else "the set"
        told = [_told(name, verdict.score), _told("random real images", verdict.random)]
        told += [_told_full(verdict)]
        several = len({v.row.images_per_class for v in found}) > 1
        size = f"{_per_class(verdict.row.images_per_class)}, " if several else ""
        mean = f" (mean of {len(verdict.students)} networks)" if len(verdict.students) > 1 else ""
        yield (
            f"Right on {kind} images, {size}{condition(verdict, found)}{mean}: "
            f"{'; '.join(filter(None, told))}."
        )


def _told(what: str, score: Score | None) -> str:
    return f"{what} {_percent(score)}" if score else ""


def _percent(score: Score) -> str:
    half = score.half_width
    if half is None:
        return f"{100 * score.mean:.1f} % (one seed)"
    return f"{100 * score.mean:.1f} ± {100 * half:.1f} %"


def _told_full(verdict: Verdict) -> str:
    if verdict.full is None:
        return ""
    names = verdict.full_students
    on = f" on {', '.join(names)}" if names != verdict.students else ""
    found = verdict.against_full
    # Compared at the seeds that both have, which may be fewer than the set's mean is of.
    few = verdict.score and found and found.difference.n < verdict.score.n
    at = "" if not few else " at that seed" if verdict.full.n == 1 else " at those seeds"
    gap = f", {_away(found)}{at} on the same networks" if found else ""
    return f"all images {_percent(verdict.full)}{on}{gap}"


def _away(found: Comparison) -> str:
    mean = 100 * found.difference.mean
    where = "above" if mean < 0 else "below"
    return f"{abs(mean):.1f} points {where} the set"
