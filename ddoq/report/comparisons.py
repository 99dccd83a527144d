"""The outcome of comparisons in words, and in a terminal."""

from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ddoq.evaluation.score import ABSENT, LEVEL, Comparison

COMPARED = (
    "difference: percentage points (pp) ± 95 % interval, paired by seed; p: how likely chance "
    "alone makes such a difference, raised for the number of comparisons (Holm)"
)


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


def comparison_table(comparisons: Iterable[Comparison]) -> Table:
    """Return comparisons as a table."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for header in ("", "difference (pp)", "n", "p (Holm)", "verdict"):
        table.add_column(header)
    for c in comparisons:
        n = str(c.difference.n)
        texts = (c.b.name, c.difference.signed, n, p_text(c.adjusted), in_words(c))
        table.add_row(*map(Text, texts))
    return table


def comparison_list(comparisons: Iterable[Comparison]) -> Iterator[RenderableType]:
    """Yield a line for each comparison, for a terminal too narrow for a table."""
    for c in comparisons:
        told = f"{c.difference.signed}, p {p_text(c.adjusted)}, {in_words(c)}"
        yield Text(f"{c.b.name}: {told}")
