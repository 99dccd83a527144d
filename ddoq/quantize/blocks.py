"""Blocks of points to decode together. All have one shape and are laid out by (class, k)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.quantize.quantization import Quantization


@dataclass(frozen=True)
class PointBlock:
    """Points that are decoded together."""

    points: Float[Tensor, "block ..."]
    labels: Int[Tensor, " block"]
    ranks: Int[Tensor, " block"]
    """The number k of each point within its class. It determines the point's noise."""

    @property
    def keys(self) -> Int[Tensor, " block"]:
        """A number for each (class, k)."""
        return self.labels * 2**24 + self.ranks


def layout(quantization: Quantization, size: int) -> list[PointBlock]:
    """Cut all points into blocks of `size`; the last is padded with copies of its first point."""
    num = len(quantization.labels)
    blocks: list[PointBlock] = []
    for start in range(0, num, size):
        rows = torch.arange(start, start + size)
        rows = torch.where(rows < num, rows, start)
        q = quantization
        blocks.append(PointBlock(q.points[rows].float(), q.labels[rows], q.ranks[rows]))
    return blocks
