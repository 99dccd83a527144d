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
from ddoq.evaluation.score import Comparison, Score
from ddoq.report.advice import advice
from ddoq.report.verdict import (
    Verdict,
    condition,
    figures_of_row,
    is_nearest,
    teacher_accuracy,
    verdicts,
)

# From this share of images on, a set is said to hold near copies of training images.
_COPIES = 0.5
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


def answer(results: Results, pushforward: Mapping[str, Any] | None = None) -> Answer:
    """Return the answer of results. `pushforward` is that of `summary.json`."""
    found = verdicts(results)
    if not found:
        return Answer(("Only real images were measured: there is no set to judge.",), (), (), ())
    notes = [*_about_labels(found), *_about_teacher(pushforward)]
    notes += [*_about_nearest(results, found), *_about_copies(found, pushforward)]
    steps = advice(results, found, pushforward)
    return Answer(headline(found), tuple(_accuracies(found)), tuple(notes), tuple(steps))


def headline(found: Sequence[Verdict]) -> tuple[str, ...]:
    """Return a line for each size: its outcome under the first protocol, then under the others."""
    sizes = dict.fromkeys(v.row.images_per_class for v in found)
    return tuple(_line([v for v in found if v.row.images_per_class == size]) for size in sizes)


def _line(found: Sequence[Verdict]) -> str:
    first, *rest = found
    under = f" {condition(first, found)}"
    sentences = [f"{_subject(first)} {_predicate(first, under)}."]
    for other in rest:
        if other.outcome != "no random":
            name = _named(other, first) if other.row != first.row else ""
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
    return f"{100 * found.difference.mean:+.1f}"


def _numbers(found: Comparison) -> str:
    score = found.difference
    return f"{score.signed} points, {score.n} seed{'' if score.n == 1 else 's'}"


def _accuracies(found: Sequence[Verdict]) -> Iterator[str]:
    """Say how many test images are recognized after training on each."""
    for verdict in found:
        told = [_told("the set", verdict.score), _told("random real images", verdict.random)]
        told += [_told_full(verdict)]
        several = len({v.row.images_per_class for v in found}) > 1
        size = f"{_per_class(verdict.row.images_per_class)}, " if several else ""
        mean = f" (mean of {len(verdict.students)} networks)" if len(verdict.students) > 1 else ""
        yield (
            f"Right on test images, {size}{condition(verdict, found)}{mean}: "
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


def _about_labels(found: Sequence[Verdict]) -> Iterator[str]:
    if {"soft", "hard"} <= {v.labels for v in found}:
        yield (
            "Soft labels are the teacher's opinions, which lift random images too; hard labels "
            "show what the images alone are worth."
        )


def _about_teacher(pushforward: Mapping[str, Any] | None) -> Iterator[str]:
    accuracy = teacher_accuracy(pushforward)
    if accuracy is not None:
        split = (pushforward or {}).get("split", "test")
        kind = {"val": "validation"}.get(split, split)
        yield f"The teacher itself is right on {100 * accuracy:.1f} % of {kind} images."


def _about_nearest(results: Results, found: Sequence[Verdict]) -> Iterator[str]:
    """Say whose images `nearest` shows, and which rows hold synthetic ones."""
    rows = dict.fromkeys(r.row for r in results if not r.is_quoted)
    shown = [row for row in rows if is_nearest(row)]
    if not shown:
        return
    made = [row for row in rows if not row.is_reference and not is_nearest(row)]
    decoders = list(dict.fromkeys(row.decoder for row in made if row.decoder != "-"))
    where = (
        f"the synthetic ones are the row{'s' if len(decoders) > 1 else ''} {' and '.join(decoders)}"
        if decoders
        else "evaluation.decoders=[plain] adds a row of synthetic ones"
    )
    saved = " The saved set is of that kind." if is_nearest(found[0].row) else ""
    yield f"The images of `nearest` are your own training images, selected; {where}.{saved}"


def _about_copies(found: Sequence[Verdict], pushforward: Mapping[str, Any] | None) -> Iterator[str]:
    """Warn of synthetic images that are nearly training images."""
    for verdict in {v.row: v for v in found}.values():
        pixels = figures_of_row(pushforward, verdict.row).get("pixels") or {}
        share = pixels.get("share", 0.0)
        if share >= _COPIES and not is_nearest(verdict.row):
            yield (
                f"{100 * share:.0f} % of the images of {verdict.row.name} nearly copy a training "
                "image: they are nearer to one than 99 % of unseen real images are. Mind that "
                "before you pass them on."
            )
