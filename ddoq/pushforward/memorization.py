"""Memorization: how near images come to single training images, beside images never trained on.

The yardstick is the distance from held-out real images to their nearest training images. A set of
training images lies at distance zero.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.quantize.functional import assign

_ROWS = 256
_NEAR = 0.01
# Features of one image differ by up to 1e-4 of the usual distance in batches of two sizes.
_ROUNDING = 1e-3
# A quarter of a gray level: less than any change of a picture, more than rounding in float32.
_SAME = 0.25 / 255


@dataclass(frozen=True)
class Nearness:
    """How near a set comes to single training images."""

    ratio: float | None
    """The median distance of its images over that of held-out images; None if theirs is zero."""
    share: float
    """The share of its images that are as near as the nearest 1 % of the held-out images."""


def nearness(distances: Float[Tensor, " n"], held_out: Float[Tensor, " m"]) -> Nearness:
    """Compare a set's distances to the nearest training images with those of held-out images."""
    usual = float(held_out.median())
    # Where held-out images are themselves copies of training images, theirs is zero too.
    least = held_out.double().quantile(_NEAR).clamp_min(_ROUNDING * usual)
    share = float((distances.double() <= least).double().mean())
    return Nearness(float(distances.median()) / usual if usual > 0 else None, share)


def share_of_training(distances: Float[Tensor, " n"]) -> float:
    """Return the share of images that are training images, by their distances in pixels."""
    return float((distances < _SAME).double().mean())


def nearest(rows: Float[Tensor, "n dim"], references: Iterable[Tensor]) -> Float[Tensor, " n"]:
    """Return each row's root mean square difference from the nearest reference.

    References are rows too. They come in parts, as they may not fit in memory together.
    """
    return (nearest_rows(rows, references)[1] / rows.shape[1]).sqrt()


def nearest_rows(
    rows: Float[Tensor, "n dim"], references: Iterable[Tensor]
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Return the number of each row's nearest reference, over all parts, and its squared distance.

    Of two that are equally near, the first counts.
    """
    least = torch.full((len(rows),), torch.inf, device=rows.device)
    best, before = torch.zeros(len(rows), dtype=torch.int64, device=rows.device), 0
    for part in references:
        # The matrix form of a distance loses fewer digits near the origin.
        center = part.mean(0)
        found = [assign(x - center, part - center) for x in rows.split(_ROWS)]
        index, squares = (torch.cat(column) for column in zip(*found, strict=True))
        best = torch.where(squares < least, before + index, best)
        least, before = least.minimum(squares), before + len(part)
    return best, least
