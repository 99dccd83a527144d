"""Accuracies of all rows and students, with their intervals."""

from itertools import accumulate
from typing import TYPE_CHECKING

from ddoq.report.plots.drawing import INK, LINE, color, drawn, marker
from ddoq.report.table import Line, Sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Inches: a row's name, which covers no mark, a student's lane, and what the axis and the legend
# take.
_NAME, _LANE, _AXIS, _LEGEND = 0.29, 0.12, 0.55, 0.19
_BASELINE = 0.18
_CHARACTERS = 52


def scores(sheet: Sheet, name: str) -> str:
    """Return a plot with a line for each row: a mark with its interval for each student."""
    several = len(sheet.students) > 1
    each = _NAME + _LANE * len(sheet.students) + 0.06
    tops = [0.0, *accumulate([each] * len(sheet.lines))]
    legend = _LEGEND * ((len(sheet.students) + 1) // 2) if several else 0.0

    def draw(ax: "Axes") -> None:
        for line, top in zip(sheet.lines, tops, strict=False):
            if line.starts_section:
                ax.axhline(top, color=LINE, linewidth=0.8)
            ax.text(
                0.0,
                top + _BASELINE,
                _label(line),
                transform=ax.get_yaxis_transform(),
                fontsize=9,
                fontweight="bold" if sheet.leads(line) else "normal",
            )
            _marks(ax, line, sheet, top + _NAME + _LANE / 2)
        ax.set_ylim(tops[-1] + 0.03, 0)
        ax.set_yticks([])
        ax.grid(visible=False, axis="y")
        ax.locator_params(axis="x", nbins=6, steps=[1, 2, 5, 10])
        low, high = ax.get_xlim()
        # An interval may end beyond 0 or 100 %.
        ax.set_xlim(max(0.0, low), min(100.5, high))
        ax.set_xlabel("right on held-out images, %")
        if several:
            _legend(ax)

    alt = "; ".join(f"{_label(line)}: {_words(line, sheet)}" for line in sheet.lines)
    return drawn(name, f"Accuracies in percent. {alt}.", tops[-1] + _AXIS + legend, draw)


def _legend(ax: "Axes") -> None:
    handles, labels = ax.get_legend_handles_labels()
    known = dict(zip(labels, handles, strict=True))
    ax.legend(known.values(), known.keys(), loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2)


def _marks(ax: "Axes", line: Line, sheet: Sheet, top: float) -> None:
    for i, (score, student) in enumerate(zip(line.scores, sheet.students, strict=True)):
        if score:
            ax.errorbar(
                100 * score.mean,
                top + _LANE * i,
                xerr=100 * (score.half_width or 0.0) or None,
                fmt=marker(i),
                color=color(i),
                label=student,
                elinewidth=1.4,
            )
    if sheet.has_mean and line.mean:
        middle = top + _LANE * (len(sheet.students) - 1) / 2
        reach = _LANE * len(sheet.students) / 2
        x = 100 * line.mean.mean
        ends = [middle - reach, middle + reach]
        ax.plot([x, x], ends, color=INK, linewidth=1.3)


def _label(line: Line) -> str:
    size = "all images" if line.size == "all" else f"{line.size} per class"
    text = f"{line.row.name}, {size}"
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"


def _words(line: Line, sheet: Sheet) -> str:
    pairs = zip(sheet.students, line.scores, strict=True)
    return ", ".join(f"{student} {score.text}" for student, score in pairs if score)
