"""Points in blocks of one shape, laid out by class and number, to be decoded together."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.quantize.quantization import Quantization


@dataclass(frozen=True)
class PointBlock:
    """Points to decode together."""

    points: Float[Tensor, "block ..."]
    labels: Int[Tensor, " block"]
    ranks: Int[Tensor, " block"]
    """Each point's number within its class, by which its noise is drawn."""

    @property
    def keys(self) -> Int[Tensor, " block"]:
        """One number for each (class, k)."""
        return self.labels * 2**24 + self.ranks


def layout(quantization: Quantization, size: int) -> list[PointBlock]:
    """Cut all points into blocks of `size`, the last one padded with its own first point."""
    num = len(quantization.labels)
    blocks: list[PointBlock] = []
    for start in range(0, num, size):
        rows = torch.arange(start, start + size)
        rows = torch.where(rows < num, rows, start)
        q = quantization
        blocks.append(PointBlock(q.points[rows].float(), q.labels[rows], q.ranks[rows]))
    return blocks
