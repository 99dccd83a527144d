"""What to try next, derived from the results by simple stated rules."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import stdev
from typing import Any

from ddoq.evaluation.results import Results
from ddoq.evaluation.score import ABSENT, LEVEL, Score
from ddoq.protocols.presets import PRESETS
from ddoq.report.verdict import NEAREST, FewTested, Verdict, others, part_of, teacher_accuracy

# More seeds than these are not worth their time.
_MOST_SEEDS = 30
# A gap to all data, or of the teacher to them, that is worth acting on.
_GAP = 0.05
_FIRST_SEEDS = 5
# With fewer, how many seeds would show a difference cannot be said.
_FEWEST_SEEDS = 3
_SIZES = (1, 10, 50)
# The share of each class to set aside for test where test images are few.
_TEST_SHARE = 0.4


def advice(
    results: Results,
    found: Sequence[Verdict],
    pushforward: Mapping[str, Any] | None = None,
    smallest_class: int | None = None,
    few: FewTested | None = None,
) -> list[str]:
    """Return what to try next, the cheapest first.

    - More test images, if there are too few to judge by.
    - More seeds, if a difference is undecided and about thirty seeds would show it. But not if it
      is smaller than what too few test images leave open, which is the same at every seed.
    - Hard labels, if there are none.
    - Another row of the same size that did better; or another decoder, if none was tried.
    - More images, if all data are at least five points better and classes have more.
    - A better teacher, if it is five points worse than training on all data.
    """
    steps = [*_more_tests(few), *_more_seeds(found, few), *_hard_labels(found)]
    steps += [*_other_rows(results, found), *_other_decoders(results, found)]
    steps += _more_images(found, smallest_class)
    return [*steps, *_better_teacher(found, pushforward)]


def seeds_needed(difference: Score, most: int = 10 * _MOST_SEEDS) -> int | None:
    """Return how many seeds would show a difference, if its mean and spread stay as they are.

    None if it takes more than `most`.

    >>> seeds_needed(Score((0.1, 0.0)))
    11
    """
    from scipy.special import stdtrit

    mean, spread = abs(difference.mean), stdev(difference.values)
    numbers = range(difference.n + 1, most + 1)
    tail = (1 + LEVEL) / 2
    return next((n for n in numbers if stdtrit(n - 1, tail) * spread / n**0.5 < mean), None)


def _more_tests(few: FewTested | None) -> Iterator[str]:
    if few:
        is_settable = few.share is not None and few.share < _TEST_SHARE
        key = f": data.test_share={_TEST_SHARE} (if you gave them apart, add to them)"
        yield (
            f"More {few.kind} images, as no number of seeds makes up for few"
            f"{key if is_settable else ''}."
        )


def _more_seeds(found: Sequence[Verdict], few: FewTested | None) -> Iterator[str]:
    clear = [v for v in found if not (few and few.hides(v))]
    if any(v.outcome == "one seed" for v in clear):
        yield f"More seeds, as one says nothing of chance: evaluation.seeds={_FIRST_SEEDS}."
        return
    open_ones = [v for v in clear if v.outcome == "undecided" and v.against_random is not None]
    differences = [v.against_random.difference for v in open_ones if v.against_random]
    needed = [seeds_needed(d) for d in differences]
    within = [n for n in needed if n is not None and n <= _MOST_SEEDS]
    shown = [v for v, n in zip(open_ones, needed, strict=True) if n in within]
    of = _named(found, shown)
    if within and min(d.n for d in differences) < _FEWEST_SEEDS:
        # Of two differences the spread is next to unknown.
        yield f"More seeds{of}, as these are too few to judge by: evaluation.seeds={_FIRST_SEEDS}."
    elif within:
        yield (
            f"More seeds{of}: if the difference stays as it is, about {max(within)} would show "
            f"{_what(shown)} (evaluation.seeds={max(within)})."
        )
    elif needed:
        yield (
            f"Not more seeds: to show so small a difference would take more than {_MOST_SEEDS}. "
            "Take the set and random images for equally good."
        )
        return
    unsure = [v for v in clear if v.against_random and v.is_hedged]
    numbers = [v.against_random.difference.n for v in unsure if v.against_random]
    if numbers and not needed:
        yield (
            f"A few more seeds{_named(found, unsure)}, so that the difference stands among all "
            f"comparisons too: evaluation.seeds={2 * max(numbers)}."
        )


def _what(shown: Sequence[Verdict]) -> str:
    """Say what more seeds would show, if the differences stay as they are."""
    above = {v.against_random.difference.mean > 0 for v in shown if v.against_random}
    if len(above) > 1:
        return "which is better"
    return f"that the set is {'better' if True in above else 'worse'}"


def _named(found: Sequence[Verdict], some: Sequence[Verdict]) -> str:
    """Say which sets are meant, if several are judged and not all are meant."""
    names, meant = ({(v.row.name, v.group[0]) for v in vs} for vs in (found, some))
    if not meant or meant == names:
        return ""
    sizes = len({size for _, size in names}) > 1
    told = sorted(f"{name}, {size} per class" if sizes else name for name, size in meant)
    return f" for {' and '.join(told)}"


def _hard_labels(found: Sequence[Verdict]) -> Iterator[str]:
    if any(v.labels == "hard" for v in found):
        return
    base = found[0].protocol.split("+")[0]
    hard = (
        f"{base}_hard" if f"{base}_hard" in PRESETS else f"{{name: {base}, labels: hard, loss: ce}}"
    )
    yield (
        "Hard labels beside these, which show what the images are worth without a teacher: "
        f'"protocols=[{base}, {hard}]".'
    )


def _other_rows(results: Results, found: Sequence[Verdict]) -> Iterator[str]:
    """Name the best row of the same size that is better than the leading one."""
    told: set[str] = set()
    for verdict in found:
        better = [c for c in others(part_of(results, verdict), verdict.row) if c.verdict == "worse"]
        best = min(better, key=lambda c: c.difference.mean, default=None)
        if best and best.b.name not in told:
            told.add(best.b.name)
            by = Score(tuple(-value for value in best.difference.values))
            yield (
                f"{best.b.name} in place of {verdict.row.name}: under protocol {verdict.protocol} "
                f"it is better by {by.text} points."
            )


def _other_decoders(results: Results, found: Sequence[Verdict]) -> Iterator[str]:
    lead = found[0].row
    if lead.decoder == ABSENT or all(v.outcome == "better" for v in found):
        return
    tried = {r.decoder.split("(")[0] for r in results if r.distiller == lead.distiller}
    if len(tried) == 1:
        rest = ", ".join(name for name in ("plain", NEAREST) if name not in tried)
        yield f'Another decoder of the same points: "evaluation.decoders=[{rest}]".'


def _more_images(found: Sequence[Verdict], smallest_class: int | None) -> Iterator[str]:
    """Advise a larger set, of at most as many images as the smallest class has."""
    largest = max(v.row.images_per_class for v in found)
    own = [v for v in found if v.row.images_per_class == largest and not v.is_given]
    gaps = [-v.against_full.difference.mean for v in own if v.against_full]
    if not gaps or max(gaps) < _GAP:
        return
    more = next((size for size in _SIZES if size > largest), 2 * largest)
    if smallest_class is not None:
        if largest >= smallest_class:
            return
        more = min(more, smallest_class)
    limit = ", as many as the smallest class has" if more == smallest_class else ""
    # Where the set is no better than random images, more of either kind would do.
    kind = "" if any(v.outcome == "better" for v in own) else ", of the set or random ones alike"
    yield (
        f"More images{kind}: all data are up to {100 * max(gaps):.1f} points better "
        f"(distiller.images_per_class={more}{limit})."
    )


def _better_teacher(
    found: Sequence[Verdict], pushforward: Mapping[str, Any] | None
) -> Iterator[str]:
    teacher = teacher_accuracy(pushforward)
    full = [v.full.mean for v in found if v.full]
    if teacher is not None and full and teacher < max(full) - _GAP and found[0].labels == "soft":
        yield (
            "A better teacher: students of all data are right more often than it is, so its soft "
            "labels hold them back (pretrain.teacher.steps, pretrain.teacher.student)."
        )
