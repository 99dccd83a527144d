"""Blocks of points to decode together. All have one shape and are laid out by (class, k)."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.quantize.quantization import Quantization


@dataclass(frozen=True)
class Company:
    """What a block of one class is made beside."""

    points: Float[Tensor, "k ..."]
    """All points of the class."""
    masses: Float[Tensor, " k"]
    """Their masses."""
    images: Float[Tensor, "made c h w"]
    """The class's images of earlier blocks, in [0, 1]."""


@dataclass(frozen=True)
class PointBlock:
    """Points that are decoded together."""

    points: Float[Tensor, "block ..."]
    labels: Int[Tensor, " block"]
    ranks: Int[Tensor, " block"]
    """The number k of each point within its class. It determines the point's noise."""
    company: Company | None = None
    """The rest of the class, if the block holds a single one."""
    num: int | None = None
    """How many points count; those after them are padding. All if None."""

    @property
    def keys(self) -> Int[Tensor, " block"]:
        """A number for each (class, k)."""
        return self.labels * 2**24 + self.ranks

    def part(self, start: int, size: int) -> "PointBlock":
        """Return `size` of the points, padded with the last one."""
        rows = torch.arange(start, start + size).clamp_max(len(self.labels) - 1)
        return PointBlock(self.points[rows], self.labels[rows], self.ranks[rows])


@dataclass(frozen=True)
class Layout:
    """The rows of points that make up each block."""

    rows: list[Int[Tensor, " block"]]
    """The last rows of a block may be padding: copies of its first row."""
    nums: list[int]
    """How many rows of each block count."""

    def __len__(self) -> int:
        return len(self.rows)

    def block(self, quantization: Quantization, number: int) -> PointBlock:
        """Return a block; only its own points are read."""
        rows, q = self.rows[number], quantization
        return PointBlock(
            q.points[rows].float(), q.labels[rows], q.ranks[rows], num=self.nums[number]
        )


def layout(quantization: Quantization, size: int, *, by_class: bool = False) -> Layout:
    """Cut all points into blocks of `size`, of a single class each if `by_class`.

    No block is larger than all there is for one: the points, or the largest class.
    """
    offsets = quantization.offsets.tolist()
    spans = [(0, offsets[-1])]
    if by_class:
        spans = list(pairwise(offsets))
    size = min(size, max(stop - start for start, stop in spans))
    starts = [(i, min(i + size, stop)) for start, stop in spans for i in range(start, stop, size)]
    rows = [torch.arange(i, i + size) for i, _ in starts]
    padded = [torch.where(r < stop, r, i) for r, (i, stop) in zip(rows, starts, strict=True)]
    return Layout(padded, [stop - i for i, stop in starts])
