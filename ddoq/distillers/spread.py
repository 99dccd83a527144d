"""The images that a class's points become: as many as points, several of each, or fewer."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.quantize.quantization import Quantization


@dataclass(frozen=True)
class Spread:
    """A row for each image."""

    images: Quantization
    """Its point, and its part of the point's mass."""
    rows: Int[Tensor, " images"]
    """The row of its point."""
    num_points: int

    def of_points(self, weights: Float[Tensor, " images"]) -> Float[Tensor, " points"]:
        """Return the weight of all images of each point."""
        total = torch.zeros(self.num_points, dtype=weights.dtype)
        return total.index_add(0, self.rows, weights)


def spread(points: Quantization, numbers: list[int] | None) -> Spread:
    """Return the images of each class's points; as many as points if no numbers are given.

    With more images than points, the points have equally many images as far as that is possible,
    and the heaviest ones the rest. With fewer, the heaviest points have one image each.
    """
    if numbers is None:
        return Spread(points, torch.arange(len(points.labels)), len(points.labels))
    offsets = points.offsets.tolist()
    rows: list[int] = []
    shares: list[float] = []
    for label, wanted in enumerate(numbers):
        start, stop = offsets[label], offsets[label + 1]
        if start == stop:
            continue
        masses = points.masses[start:stop].double()
        heaviest = masses.argsort(descending=True, stable=True)
        each = torch.full_like(heaviest, wanted // (stop - start))
        each[heaviest[: wanted % (stop - start)]] += 1
        total = float(masses[each > 0].sum())
        rows += (start + torch.arange(stop - start)).repeat_interleave(each).tolist()
        shares += (masses / each.clamp_min(1) / total).repeat_interleave(each).tolist()
    chosen = torch.tensor(rows)
    images = replace(
        points,
        points=points.points[chosen],
        labels=points.labels[chosen],
        counts=points.counts[chosen],
        masses=torch.tensor(shares, dtype=points.masses.dtype),
    )
    return Spread(images, chosen, len(points.labels))
