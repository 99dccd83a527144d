"""Tiles: small images that one stored image consists of."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from ddoq.errors import DataError


def unfolded(
    images: Float[Tensor, "n channels side side"] | UInt8[Tensor, "n channels side side"],
    tiles: int,
) -> Float[Tensor, "m channels side side"]:
    """Cut each image into columns and rows, and enlarge every tile to the image's size.

    Image i gives the rows from i * tiles^2 on, from left to right and then downwards. Bytes become
    floats in [0, 1]. The result is differentiable in float images.
    """
    n, channels, side = images.shape[:3]
    if side % tiles:
        raise DataError(
            f"images of {side} pixels cannot be cut into {tiles} x {tiles} equal tiles",
            "give a number of tiles that divides the side",
        )
    floats = images / 255 if images.dtype == torch.uint8 else images
    cut = floats.reshape(n, channels, tiles, side // tiles, tiles, side // tiles)
    cut = cut.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
    return F.interpolate(cut, size=(side, side), mode="bilinear")
