"""A split of the images, in batches; and the images in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int
from torch import Tensor

from ddoq.data.conversion import as_floats
from ddoq.data.preprocessing import with_margin

if TYPE_CHECKING:
    from ddoq.data.images import Images

_SHOWN_CLASSES = 20


@dataclass(frozen=True)
class Batches:
    """Iterate over a rank's part of a split in order, without padding or repeats."""

    images: "Images"
    name: str
    batch_size: int
    rank: int = 0
    world_size: int = 1
    margin: bool = False

    def _indices(self) -> Int[Tensor, " m"]:
        return torch.arange(self.rank, len(self.images.split(self.name)), self.world_size)

    def __len__(self) -> int:
        return -(-len(self._indices()) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        split, size = self.images.split(self.name), self.images.image_size
        side = with_margin(size) if self.margin else size
        start = (side - size) // 2
        for indices in self._indices().split(self.batch_size):
            pixels = self.images.some(self.name, indices, side)
            center = pixels[:, :, start : start + size, start : start + size]
            yield as_floats(center), split.labels[indices]


def describe(images: "Images") -> list[str]:
    """Return lines on the numbers of images, and on their classes."""
    counts = torch.bincount(images.train.labels, minlength=images.num_classes).tolist()
    names = [n if n.isprintable() else ascii(n) for n in images.class_names]
    shown = [f"{n} ({c})" for n, c in zip(names, counts, strict=True)][:_SHOWN_CLASSES]
    rest = counts[_SHOWN_CLASSES:]
    others = [f"and {len(rest)} more ({min(rest)} to {max(rest)})"] if rest else []
    return [
        f"images: {len(images.train)} train, {len(images.val)} val, {len(images.test)} test",
        f"{images.num_classes} classes of train: {', '.join([*shown, *others])}",
    ]
