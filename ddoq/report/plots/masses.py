"""How a class's mass is spread over its points."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ddoq.report.plots.drawing import COLORS, INK, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def masses(found: Sequence[Mapping[str, Any]], name: str) -> str:
    """Return a bar for each class, cut into the shares of its points, the heaviest first.

    Each of `found` has `class`, `shares` and `effective_size`.
    """

    def draw(ax: "Axes") -> None:
        for y, row in enumerate(found):
            left = 0.0
            for i, share in enumerate(row["shares"]):
                ax.barh(y, 100 * share, left=left, height=0.75, color=COLORS[0], alpha=_shade(i))
                left += 100 * share
            text = f"{row['effective_size']:.1f} of {len(row['shares'])}"
            ax.text(101.5, y, text, va="center", fontsize=9, color=INK)
        ax.set_yticks(range(len(found)), [_short(row["class"]) for row in found])
        ax.set_ylim(len(found) - 0.4, -0.6)
        ax.set_xlim(0, 124)
        ax.set_xticks([0, 25, 50, 75, 100])
        ax.grid(visible=False, axis="y")
        ax.set_xlabel("share of the class, %; right: effective size")

    told = "; ".join(
        f"{row['class']}: {len(row['shares'])} points, the heaviest "
        f"{100 * row['shares'][0]:.0f} %, effective size {row['effective_size']:.1f}"
        for row in found
    )
    return drawn(name, f"Masses by class. {told}.", 0.6 + 0.22 * len(found), draw)


def _shade(number: int) -> float:
    return 0.95 if number % 2 == 0 else 0.55


def _short(name: str) -> str:
    return name if len(name) <= 14 else f"{name[:13]}…"
