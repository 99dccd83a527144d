"""Which rows are compared with which, and how is the outcome said in words?"""

from collections.abc import Iterable, Sequence

from ddoq.evaluation.choice import chosen, method_of
from ddoq.evaluation.score import ABSENT, LEVEL, Comparison, Result, Row, compare_pairs

RANDOM, FULL, QUOTED = "random", "full", "quoted"


def ordered(results: Iterable[Result]) -> list[Row]:
    """Order rows by size: the method, its uniform weighting, others, random; full data last."""
    rows = list(dict.fromkeys(r.row for r in results))
    own = [r.distiller for r in rows if r.distiller not in (RANDOM, FULL) and r.note != QUOTED]

    def place(row: Row) -> tuple[int, int, int]:
        if row.distiller == FULL:
            return 1, 0, 0
        if row.distiller == RANDOM:
            return 0, row.images_per_class, 3
        is_own = row.distiller in own[:1] and row.note != QUOTED
        return 0, row.images_per_class, int(row.weighting == "uniform") if is_own else 2

    return sorted(rows, key=place)


def compare_all(results: Sequence[Result]) -> list[Comparison]:
    """Compare the leading row of each size with the others of its size and the full data.

    Where the method's variant was chosen on validation images it leads, and is compared with the
    rows of other methods.
    """
    leaders = chosen_rows(results)
    rows = [row for row in ordered(results) if row.note != QUOTED]
    sizes = dict.fromkeys(r.images_per_class for r in rows if r.distiller not in (RANDOM, FULL))
    pairs: list[tuple[Row, Row]] = []
    for size in sizes:
        lead, *others = [r for r in rows if r.images_per_class == size or r.distiller == FULL]
        if size in leaders:
            lead = leaders[size]
            others = [r for r in others if method_of(r) != method_of(lead)]
        pairs += [(lead, other) for other in others]
    return compare_pairs(results, pairs)


def chosen_rows(results: Sequence[Result]) -> dict[int, Row]:
    """Return the variant of the leading method that was chosen for each size, if one was."""
    rows = ordered(r for r in results if r.note != QUOTED)
    return chosen(results, method_of(rows[0])) if rows else {}


def in_words(comparison: Comparison) -> str:
    """Say in plain words what was found, and whether it outlives Holm's correction."""
    if comparison.p is None:
        return "one seed, no test" if comparison.difference.n == 1 else "no spread, no test"
    if comparison.verdict == "undecided":
        return "no difference shown"
    is_firm = comparison.adjusted is not None and comparison.adjusted <= 1 - LEVEL
    return comparison.verdict if is_firm else f"{comparison.verdict} (uncorrected)"


def p_text(p: float | None) -> str:
    """Return a p value as tables show it."""
    return ABSENT if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"
