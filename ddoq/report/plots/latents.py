"""A map of one class: its latents, and the points with their masses."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ddoq.report.plots.drawing import COLORS, SOFT, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def latents(found: Mapping[str, Any], name: str) -> str:
    """Return the map of a class, as `class_map` found it. A point's area is its mass."""
    places, points, masses = (found[k] for k in ("latents", "points", "masses"))
    first, second = (100 * share for share in found["explained"])

    def draw(ax: "Axes") -> None:
        ax.scatter(*zip(*places, strict=True), s=7, color=SOFT, alpha=0.45, linewidths=0)
        area = [10 + 60 * mass * len(masses) for mass in masses]
        ax.scatter(
            *zip(*points, strict=True),
            s=area,
            color=COLORS[1],
            alpha=0.85,
            linewidths=0,
        )
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_xlabel(f"first axis: {first:.0f} % of the spread")
        ax.set_ylabel(f"second axis: {second:.0f} %")

    alt = (
        f"Map of class {found['class']}: {len(places)} of its {found['of']} latents as small dots, "
        f"its {len(points)} points as larger ones, the heaviest with {100 * max(masses):.0f} % and "
        f"the lightest with {100 * min(masses):.0f} % of the mass. The two axes show "
        f"{first + second:.0f} % of the spread."
    )
    return drawn(name, alt, 3.2, draw)
