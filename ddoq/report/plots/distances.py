"""Distances (W2) from each class's real latents, before and after decoding."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ddoq.report.plots.drawing import COLORS, LINE, SOFT, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def distances(found: Sequence[Mapping[str, Any]], name: str) -> str:
    """Return a line for each class: W2 of its points and of its images, encoded again.

    Each of `found` has `class`, `before` and `after`.
    """

    def draw(ax: "Axes") -> None:
        before, after = ([row[k] for row in found] for k in ("before", "after"))
        places = range(len(found))
        ax.hlines(places, before, after, color=SOFT, linewidth=1)
        ax.plot(before, places, "o", color=COLORS[0], label="points (before decoding)")
        ax.plot(after, places, "D", color=COLORS[1], label="images (after decoding)")
        ax.set_yticks(places, [_short(row["class"]) for row in found])
        ax.set_ylim(len(found) - 0.5, -0.5)
        ax.grid(visible=True, axis="y", color=LINE, linewidth=0.5)
        ax.set_xlim(left=0)
        ax.set_xlabel("distance from the real latents (W2)")
        ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=1)

    told = "; ".join(
        f"{row['class']}: {row['before']:.3g} before, {row['after']:.3g} after" for row in found
    )
    return drawn(name, f"W2 by class. {told}.", 1.05 + 0.2 * len(found), draw)


def _short(name: str) -> str:
    return name if len(name) <= 14 else f"{name[:13]}…"
