"""RDED's ShufflePatches: strips of columns of an image are shuffled, then strips of rows."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def shuffle_patches(
    images: Float[Tensor, "n c h w"], random: Float[Tensor, "n draws"], factor: int
) -> Float[Tensor, "n c h w"]:
    """Shuffle `factor` strips of columns and `factor` strips of rows of each image.

    `random` holds 2 `factor` numbers for each image. The last strip takes the remaining lines.
    """
    height, width = images.shape[2:]
    columns = _order(random[:, :factor], width).to(images.device)
    rows = _order(random[:, factor:], height).to(images.device)
    images = images.gather(3, columns[:, None, None, :].expand_as(images))
    return images.gather(2, rows[:, None, :, None].expand_as(images))


def _order(random: Float[Tensor, "n factor"], length: int) -> Int[Tensor, "n length"]:
    """Return the new order of the lines of each image."""
    factor = random.shape[1]
    strip = (torch.arange(length) // (length // factor)).clamp_max(factor - 1)
    return random[:, strip].argsort(dim=1, stable=True)
