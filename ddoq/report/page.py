"""The page that shows a run: one offline HTML file, without script."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ddoq.display.notebook import png
from ddoq.evaluation.score import Score
from ddoq.files.artifacts import replacing
from ddoq.report.answer import Answer
from ddoq.report.comparisons import in_words, p_text
from ddoq.report.heat import HeatMap
from ddoq.report.pushed import PushedSheet
from ddoq.report.table import Line, Sheet

_CLASSES, _IMAGES = 20, 10
# Larger images are embedded at this size, in pixels. Smaller ones are not resized.
_EMBEDDED = 96
# Images smaller than their display keep their pixels visible.
_SHOWN = 64
# The beginning and the end of the plot's axis, in the plot's units.
_LEFT, _RIGHT, _WIDTH = 240.0, 740.0, 760.0
_ROW, _LANE, _TOP = 22.0, 9.0, 12.0
# How many characters of a label fit left of the axis.
_LABEL = 36


@dataclass(frozen=True)
class Gallery:
    """Pictures of one synthetic set, made by one decoder."""

    title: str
    class_names: tuple[str, ...]
    images: UInt8[Tensor, "n channels height width"] | Float[Tensor, "n channels height width"]
    """Floats are shown clamped to [0, 1]."""
    labels: Int[Tensor, " n"]
    weights: Float[Tensor, " n"]


def write_page(
    file: Path,
    *,
    title: str,
    answer: Answer,
    recipe_yaml: str,
    sheets: Sequence[Sheet],
    maps: Sequence[HeatMap] = (),
    pictures: Sequence[Gallery],
    stages: Sequence[Mapping[str, Any]],
    certificates: Sequence[Mapping[str, Any]],
    pushed: PushedSheet | None = None,
) -> None:
    """Write the page. `stages` and `certificates` are the rows of `summary.json`."""
    text = _template().render(
        title=title,
        answer=answer,
        recipe_yaml=recipe_yaml,
        sheets=[(sheet, None if sheet.is_across else plot(sheet)) for sheet in sheets],
        protocols=list(dict.fromkeys(s.protocol for s in sheets if not s.is_across)),
        maps=maps,
        galleries=[(gallery, _tiles(gallery)) for gallery in pictures],
        images_shown=_IMAGES,
        stages=stages,
        certificates=certificates,
        pushed=pushed,
    )
    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ddoq.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(duration=duration, words=in_words, p=p_text)
    return environment.get_template("page.html.j2")


def duration(seconds: int | float) -> str:
    """Return a time in words.

    >>> duration(4.25), duration(200), duration(7260)
    ('4.2 s', '3 min 20 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _tiles(gallery: Gallery) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the names and the heaviest images of the first classes."""
    present = [int(label) for label in gallery.labels.unique()][:_CLASSES]
    return [(gallery.class_names[label], _class_tiles(gallery, label)) for label in present]


def _class_tiles(gallery: Gallery, label: int) -> list[dict[str, Any]]:
    (members,) = torch.nonzero(gallery.labels == label, as_tuple=True)
    weights = gallery.weights[members].double()
    shares = weights / weights.sum()
    heaviest = torch.argsort(weights, descending=True, stable=True)[:_IMAGES].tolist()
    return [
        {
            "source": png(gallery.images[members[i]], _EMBEDDED),
            "is_small": max(gallery.images.shape[-2:]) < _SHOWN,
            "weight": float(weights[i]),
            "share": float(shares[i]),
            "relative": float(weights[i] / weights.max()),
        }
        for i in heaviest
    ]


def plot(sheet: Sheet) -> dict[str, Any]:
    """Lay out a plot of all scores: a row per line, a dot with its interval per student."""
    scores = [s for line in sheet.lines for s in line.scores if s]
    ticks = _ticks(
        100 * min(s.interval[0] if s.interval else s.mean for s in scores),
        100 * max(s.interval[1] if s.interval else s.mean for s in scores),
    )
    height = _ROW + _LANE * len(sheet.students)
    rows = [
        _plot_row(line, sheet.students, ticks, _TOP + height * i, height)
        for i, line in enumerate(sheet.lines)
    ]
    return {
        "width": _WIDTH,
        "left": _LEFT,
        "right": _RIGHT,
        "top": _TOP,
        "bottom": _TOP + height * len(rows),
        "ticks": [(_x(t, ticks), f"{t:g}") for t in ticks],
        "rows": rows,
    }


def _plot_row(
    line: Line, students: Sequence[str], ticks: Sequence[float], top: float, height: float
) -> dict[str, Any]:
    label = line.row.name
    size = "all images" if line.size == "all" else f"{line.size} per class"
    marks = [
        {
            "student": i,
            "y": top + (_ROW + _LANE) / 2 + _LANE * i,
            "x": _x(100 * score.mean, ticks),
            "ends": [_x(100 * end, ticks) for end in score.interval or ()],
            "text": f"{label}, {size}, {students[i]}: {line.text(score)}",
        }
        for i, score in enumerate(line.scores)
        if score
    ]
    return {
        "label": label,
        "squeezed": len(label) > _LABEL,
        "size": size,
        "top": top,
        "bottom": top + height,
        "starts_section": line.starts_section,
        "marks": marks,
        "mean": _mean_mark(line.mean, ticks),
    }


def _mean_mark(mean: Score | None, ticks: Sequence[float]) -> dict[str, Any] | None:
    if mean is None:
        return None
    return {"x": _x(100 * mean.mean, ticks), "text": f"mean over students: {mean.text}"}


def _x(percent: float, ticks: Sequence[float]) -> float:
    """Return an accuracy's place in the plot. An interval may end beyond 0 or 100 %."""
    share = (percent - ticks[0]) / (ticks[-1] - ticks[0])
    return round(_LEFT + min(1.0, max(0.0, share)) * (_RIGHT - _LEFT), 1)


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round percentages that enclose a range, from 0 to 100 at most."""
    low, high = max(0.0, low), min(100.0, high)
    raw = max(high - low, 1.0) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    if last == first:
        first, last = first - 1, last + 1
    return [step * i for i in range(first, last + 1)]
