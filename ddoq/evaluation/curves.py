"""The losses of some trainings, short enough to be drawn."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from ddoq.evaluation.grid import Draw, Grid
from ddoq.evaluation.making import kept
from ddoq.evaluation.score import RANDOM, Row
from ddoq.training.losses import losses_in

_MOST = 100
# What stands in place of the protocol of a curve of a set that was learned.
LEARNED = "(learned set)"


@dataclass(frozen=True)
class TrainingCurve:
    """The loss of one training, as means over equal numbers of steps."""

    row: str
    protocol: str
    teacher: str
    student: str
    num_steps: int
    losses: tuple[float, ...]

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def curves_of(grid: Grid) -> list[TrainingCurve]:
    """Return the curves of the first seed: of the method's first row, and of random images.

    Those of learned sets follow, with `LEARNED` in place of a protocol.
    """
    return [*(curve for draw in _shown(grid) for curve in _of(grid, draw)), *_learned(grid)]


def _learned(grid: Grid) -> Iterator[TrainingCurve]:
    """Yield the curve of each row's first set that was learned, if its distiller kept losses."""
    for draw in [draw for draw in grid.draws if draw.number == 0]:
        planned = kept(grid, draw)
        losses = losses_in(grid.run.place(planned.stage, planned.key)) if planned else None
        if losses is not None and len(losses):
            row = Row(**grid.labels(draw))
            name = f"{row.name}, {row.images_per_class} per class"
            yield TrainingCurve(name, LEARNED, "", "", len(losses), tuple(thinned(losses)))


def _shown(grid: Grid) -> list[Draw]:
    random = [row for row, entry in enumerate(grid.rows) if entry.labels["distiller"] == RANDOM]
    return [Draw(row, 0) for row in dict.fromkeys([0, *random[:1]])]


def _of(grid: Grid, draw: Draw) -> Iterator[TrainingCurve]:
    row = Row(**grid.labels(draw))
    for job in grid:
        if grid.draw_of(job) != draw:
            continue
        losses = losses_in(grid.place(job))
        # An evaluator of a user's own may keep no losses.
        if losses is not None and len(losses):
            name = f"{row.name}, {row.images_per_class} per class"
            told = grid.protocol_of(job), grid.teacher_name(job), grid.student_name(job)
            yield TrainingCurve(name, *told, len(losses), tuple(thinned(losses)))


def thinned(losses: Float[Tensor, " steps"], most: int = _MOST) -> list[float]:
    """Return the means of at most `most` equal parts of a curve, to four digits.

    >>> import torch
    >>> thinned(torch.tensor([3.0, 1.0, 2.0, 0.0, 1.0]), most=3)
    [2.0, 1.0, 1.0]
    """
    length = -(-len(losses) // most)
    return [float(f"{float(part.mean()):.4g}") for part in losses.float().split(max(1, length))]
