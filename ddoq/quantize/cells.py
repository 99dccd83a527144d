"""Exact sums over the latents in each Voronoi cell, over chunks and ranks in any order.

Coordinates are added as int64 multiples of 2^-24. Every finite float16 is such a multiple, and so
is every float32 of magnitude 1 and more; smaller ones are rounded by at most 2^-25. Magnitudes stay
below 2^16, so 2^23 latents of the largest size, or 2^39 / max |z| in general, cannot overflow.
Integers can be added in any order, so on a CPU shards, chunks and ranks merge bit for bit. On a GPU
a latent halfway between two points may be counted to either, depending on the size of its chunk.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric

from ddoq.errors import IntegrityError

_BOUND = 2.0**16
_UNIT = 2.0**-24
# The unit of the fractional parts of squared distances. Their whole parts are added separately.
_FINE = 2.0**-36
# Two to three times as fast as blocks of 1300, as the float64 copies stay in the CPU's cache.
_BLOCK = 256


def squares(latents: Float[Tensor, "n dim"], points: Float[Tensor, "n dim"]) -> Float[Tensor, " n"]:
    """Return row-wise |z - p|^2, added up in an order that only `dim` determines."""
    terms = (latents - points).square()
    while terms.shape[1] > 1:
        half = terms.shape[1] // 2
        pairs = terms[:, :half] + terms[:, half : 2 * half]
        terms = torch.cat([pairs, terms[:, 2 * half :]], 1)
    return terms[:, 0]


def nearest(
    latents: Float[Tensor, "n dim"], points: Float[Tensor, "k dim"]
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Return each latent's nearest point, the first among equals, and its squared distance.

    A matrix product rounds differently in chunks of other sizes, so it only proposes: points that
    are equally near within its rounding are compared by `squares`. Both arguments are float64.
    """
    norms = points.square().sum(1)
    scores = norms - 2 * latents @ points.T
    least = scores.amin(1, keepdim=True)
    # Eight times the worst rounding of a difference of two scores.
    slack = 2.0**-49 * (latents.shape[1] + 8) * (latents.square().sum(1) + norms.amax())
    close = scores <= least + slack[:, None]
    labels = close.int().argmax(1)
    rows = torch.nonzero(close.sum(1) > 1).flatten()
    for row in rows.split(max(1, len(latents) // len(points))):
        ties = close[row]
        exact = torch.full_like(scores[row], torch.inf)
        which, cell = ties.nonzero(as_tuple=True)
        exact[ties] = squares(latents[row[which]], points[cell])
        labels[row] = exact.argmin(1)
    return labels, squares(latents, points[labels])


class Cells(Metric):
    """The sums and counts of the cells of given points, and the total of squared distances.

    With `sync_on_compute=True`, the default, ranks that each saw a share of the latents compute
    what one process would compute of all. Every rank must call `update` at least once, if need be
    with no rows.
    """

    full_state_update = False
    sums: Tensor
    counts: Tensor
    squares: Tensor

    def __init__(self, num_points: int, dim: int, **settings: Any) -> None:
        super().__init__(**settings)
        shapes = {"sums": (num_points, dim), "counts": (num_points,), "squares": (2,)}
        for name, shape in shapes.items():
            zeros = torch.zeros(shape, dtype=torch.int64)
            self.add_state(name, default=zeros, dist_reduce_fx="sum")

    def update(self, latents: Float[Tensor, "n dim"], points: Float[Tensor, "k dim"]) -> None:
        """Add a chunk of latents to the cells of their nearest points."""
        exact = points.double()
        for block in latents.split(_BLOCK):
            self._add(block.double(), exact)

    def _add(self, z: Float[Tensor, "n dim"], points: Float[Tensor, "k dim"]) -> None:
        if not bool((z.abs() < _BOUND).all()):
            raise IntegrityError(
                "a latent is not finite, or not below 65536 in magnitude",
                "check the autoencoder, or scale its latents down",
            )
        labels, distances = nearest(z, points)
        self.sums.index_add_(0, labels, (z / _UNIT).round().long())
        self.counts += torch.bincount(labels, minlength=len(points))
        whole = distances.floor()
        fraction = ((distances - whole) / _FINE).round()
        self.squares += torch.stack([whole.long().sum(), fraction.long().sum()])

    def compute(
        self,
    ) -> tuple[Float[Tensor, "k dim"], Int[Tensor, " k"], Float[Tensor, ""]]:
        """Return the means of the cells, zero where empty, their counts and the distortion."""
        total = self.counts.sum().clamp_min(1)
        means = self.sums.double() * _UNIT / self.counts.clamp_min(1)[:, None]
        whole, fraction = self.squares.double()
        return means.float(), self.counts, (whole + fraction * _FINE) / total
