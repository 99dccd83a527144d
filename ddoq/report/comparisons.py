"""The outcome of a comparison in words."""

from ddoq.evaluation.score import ABSENT, LEVEL, Comparison


def in_words(comparison: Comparison) -> str:
    """Return the verdict in plain words, and whether it holds after Holm's correction."""
    if comparison.p is None:
        return "one seed, no test" if comparison.difference.n == 1 else "no spread, no test"
    if comparison.verdict == "undecided":
        return "no difference shown"
    is_firm = comparison.adjusted is not None and comparison.adjusted <= 1 - LEVEL
    return comparison.verdict if is_firm else f"{comparison.verdict} (uncorrected)"


def p_text(p: float | None) -> str:
    """Return a p value as tables show it."""
    return ABSENT if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"
