"""A decoder that returns the real training image whose latent is nearest to the point."""

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.data.conversion import as_floats
from ddoq.data.images import Images
from ddoq.data.latents import LatentStore
from ddoq.quantize import functional
from ddoq.quantize.blocks import PointBlock


class Nearest:
    """Replace each point by a real image of its class, which is never blurred.

    Two points of a class may share their nearest image.
    """

    def __init__(self, images: Images, latents: LatentStore, *, block: int = 64) -> None:
        self.block = block
        self._images, self._latents = images, latents

    def decode(self, block: PointBlock) -> Float[Tensor, "block c h w"]:
        """Return the nearest real image of each point."""
        chosen = torch.empty(len(block.labels), dtype=torch.int64)
        for label in block.labels.unique().tolist():
            where = torch.nonzero(block.labels == label).flatten()
            rows = self._rows(label, block.points[where].flatten(1))
            chosen[where] = self._latents.index(label)[rows]
        return as_floats(self._images.some("train", chosen))

    def _rows(self, label: int, points: Float[Tensor, "k dim"]) -> Tensor:
        latents = self._latents.latents(label).flatten(1).float()
        center = latents.mean(0)
        return functional.squared_distances(latents - center, points - center).argmin(0)
