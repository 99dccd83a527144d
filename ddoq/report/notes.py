"""What a reader of the numbers should know, as sentences of the answer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ddoq.evaluation.results import Results
from ddoq.report.verdict import (
    FewTested,
    Verdict,
    condition,
    figures_of_row,
    is_nearest,
    measured_on,
    teacher_accuracy,
)

# From this share of images on, a set is said to hold near copies of training images.
_COPIES = 0.5
# From this share of training images on, all of a set's images are said to be such.
_ALL = 0.999
# Below this accuracy, networks that learn no more from all images have not learned enough.
_LEARNED = 0.8
# More decoders than these are not listed in a sentence.
_MOST_NAMED = 2


def notes(
    results: Results,
    found: Sequence[Verdict],
    pushforward: Mapping[str, Any] | None,
    few: FewTested | None = None,
) -> list[str]:
    """Return the notes: first of what spoils a comparison, then of how to read it."""
    return [
        *_about_learning(found),
        *_about_few(few),
        *_about_labels(found),
        *_about_teacher(pushforward),
        *_about_nearest(results, found),
        *_about_copies(found, pushforward),
    ]


def _about_learning(found: Sequence[Verdict]) -> Iterator[str]:
    """Warn of networks to which all images are worth no more than the set."""
    for verdict in found:
        against = verdict.against_full
        learned = verdict.full is not None and verdict.full.mean >= _LEARNED
        if against and against.difference.mean >= 0 and not learned:
            yield (
                f"All images do no better than the set{_told_under(verdict, found)}: in as few "
                "updates these networks learn too little to compare sets by. Give them more (a "
                "protocol's `steps` or `epochs`), or take others."
            )


def _told_under(verdict: Verdict, found: Sequence[Verdict]) -> str:
    several = len({v.protocol for v in found}) > 1
    return f" {condition(verdict, found)}" if several else ""


def _about_few(few: FewTested | None) -> Iterator[str]:
    """Say what the number of test images alone leaves open."""
    if few:
        yield (
            f"There are only {few.number} {few.kind} images, which alone leaves "
            f"± {100 * few.half_width:.0f} points to each accuracy; the intervals over seeds do "
            "not hold that."
        )


def _about_labels(found: Sequence[Verdict]) -> Iterator[str]:
    if {"soft", "hard"} <= {v.labels for v in found}:
        yield (
            "Soft labels are the teacher's opinions, which lift random images too; hard labels "
            "show what the images alone are worth."
        )


def _about_teacher(pushforward: Mapping[str, Any] | None) -> Iterator[str]:
    accuracy = teacher_accuracy(pushforward)
    if accuracy is not None:
        kind = measured_on((pushforward or {}).get("split"))
        yield f"The teacher itself is right on {100 * accuracy:.1f} % of {kind} images."


def _about_nearest(results: Results, found: Sequence[Verdict]) -> Iterator[str]:
    """Say whose images `nearest` shows, and which rows hold synthetic ones."""
    rows = dict.fromkeys(r.row for r in results if not r.is_quoted)
    shown = [row for row in rows if is_nearest(row)]
    if not shown:
        return
    made = [row for row in rows if not row.is_reference and not is_nearest(row)]
    decoders = list(dict.fromkeys(row.decoder for row in made if row.decoder != "-"))
    which = " and ".join(decoders) if len(decoders) <= _MOST_NAMED else "with another decoder"
    where = (
        f"the synthetic ones are the row{'s' if len(decoders) > 1 else ''} {which}"
        if decoders
        else "evaluation.decoders=[plain] adds a row of synthetic ones"
    )
    saved = " The saved set holds such images of your own." if is_nearest(found[0].row) else ""
    yield f"The images of `nearest` are your own training images, selected; {where}.{saved}"


def _about_copies(found: Sequence[Verdict], pushforward: Mapping[str, Any] | None) -> Iterator[str]:
    """Say which images are training images, and warn of those that are nearly such."""
    for verdict in {v.row: v for v in found}.values():
        figures = figures_of_row(pushforward, verdict.row)
        share = (figures.get("pixels") or {}).get("share", 0.0)
        if is_nearest(verdict.row):
            continue
        if (figures.get("of_training") or 0.0) >= _ALL:
            yield f"The images of {verdict.row.name} are training images, selected."
        elif share >= _COPIES:
            yield (
                f"{100 * share:.0f} % of the images of {verdict.row.name} nearly copy a training "
                "image: they are nearer to one than 99 % of unseen real images are. Mind that "
                "before you pass them on."
            )
