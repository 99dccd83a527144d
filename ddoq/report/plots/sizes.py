"""Accuracy against the number of images per class."""

from dataclasses import replace
from typing import TYPE_CHECKING

from ddoq.evaluation.results import Part
from ddoq.evaluation.score import FULL, RANDOM, Row, Score
from ddoq.report.plots.drawing import INK, SOFT, color, dashes, drawn, marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LINES = 6


def sizes(part: Part, name: str) -> str | None:
    """Return a plot with a line for each row at several sizes, or None if no row has several."""
    lines = _lines(part)
    if not lines:
        return None
    full = next((row for row in part.rows if row.distiller == FULL and not row.is_quoted), None)
    all_data = part.mean(full) if full else None
    ticks = sorted({size for of_size in lines.values() for size in of_size})

    def draw(ax: "Axes") -> None:
        for i, (row, of_size) in enumerate(lines.items()):
            # Marks of one size stand beside each other.
            shift = 1 + 0.04 * (i - (len(lines) - 1) / 2)
            ax.errorbar(
                [size * shift for size in of_size],
                [100 * s.mean for s in of_size.values()],
                yerr=[100 * (s.half_width or 0.0) for s in of_size.values()],
                color=SOFT if row.distiller == RANDOM else color(i),
                marker=marker(i),
                linestyle=dashes(i),
                label=row.name,
                capsize=2,
            )
        if all_data:
            ax.axhline(100 * all_data.mean, color=INK, linewidth=1, label="all images")
        low, high = ax.get_ylim()
        # An interval may end beyond 0 or 100 %.
        ax.set_ylim(max(0.0, low), min(100.5, high))
        ax.set_xscale("log")
        ax.set_xticks(ticks, [str(t) for t in ticks])
        ax.minorticks_off()
        ax.set_xlabel("images per class")
        ax.set_ylabel("right on held-out images, %")
        ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=1)

    told = [f"{row.name}: {_words(of_size)}" for row, of_size in lines.items()]
    if all_data:
        told.append(f"all images: {all_data.text}")
    height = 2.7 + 0.17 * (len(lines) + bool(all_data))
    return drawn(name, f"Accuracy by images per class. {'; '.join(told)}.", height, draw)


def _words(of_size: dict[int, Score]) -> str:
    return ", ".join(f"{score.text} at {size}" for size, score in of_size.items())


def _lines(part: Part) -> dict[Row, dict[int, Score]]:
    """Return the means of rows that exist at several sizes, the method's first."""
    lines: dict[Row, dict[int, Score]] = {}
    for row in part.rows:
        score = part.mean(row)
        if score and row.distiller != FULL and not row.is_quoted:
            lines.setdefault(replace(row, images_per_class=0), {})[row.images_per_class] = score
    several = {row: found for row, found in lines.items() if len(found) > 1}
    references = [row for row in several if row.distiller == RANDOM]
    own = [row for row in several if row not in references][:_MOST_LINES]
    return {row: several[row] for row in [*own, *references]}
