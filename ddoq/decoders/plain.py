"""A decoder that uses the autoencoder alone."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from ddoq.quantize.blocks import PointBlock


class Plain:
    """Decode points without a generative model: fast, but blurred if a point is an average."""

    def __init__(self, autoencoder: Any, *, block: int = 64) -> None:
        self.block = block
        self._autoencoder = autoencoder

    def decode(self, block: PointBlock) -> Float[Tensor, "block c h w"]:
        """Return the autoencoder's image of each point."""
        device = next(iter(self._autoencoder.parameters()), block.points).device
        return self._autoencoder.decode(block.points.to(device))
