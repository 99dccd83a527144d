"""The losses of trainings, step by step."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ddoq.report.plots.drawing import color, dashes, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Losses that differ by more than this factor are shown on a logarithmic axis.
_WIDE = 30.0


def curves(found: Sequence[Mapping[str, Any]], name: str) -> str:
    """Return the curves of one protocol and teacher: a color for each row and student."""
    lines = [f"{c['row']}, {c['student']}" if c["student"] else c["row"] for c in found]

    def draw(ax: "Axes") -> None:
        for i, (curve, label) in enumerate(zip(found, lines, strict=True)):
            losses = curve["losses"]
            steps = [curve["num_steps"] * (k + 0.5) / len(losses) for k in range(len(losses))]
            ax.plot(steps, losses, color=color(i), linestyle=dashes(i), linewidth=1.3, label=label)
        values = [loss for curve in found for loss in curve["losses"]]
        if min(values) > 0 and max(values) > _WIDE * min(values):
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter("")
        ax.set_xlabel("step")
        ax.set_ylabel("loss")
        ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=1)

    told = "; ".join(
        f"{label}: from {c['losses'][0]:.3g} to {c['losses'][-1]:.3g} in {c['num_steps']} steps"
        for c, label in zip(found, lines, strict=True)
    )
    return drawn(name, f"Training losses. {told}.", 2.4 + 0.17 * len(lines), draw)
