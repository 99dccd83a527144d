"""Encoding of images of any size, by an autoencoder that may have a size of its own."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def encoded(
    autoencoder: Any, images: Float[Tensor, "n c h w"], noise: Tensor | None = None
) -> Float[Tensor, "n ..."]:
    """Return the latents of images, resized to the autoencoder's size, on its device."""
    size = autoencoder.image_size or images.shape[-1]
    images = fitted(images, (size, size))
    return autoencoder.encode(images.to(device_of(autoencoder)), noise)


def fitted(images: Float[Tensor, "n c _ _"], size: tuple[int, ...]) -> Float[Tensor, "n c _ _"]:
    """Return images of a size, with what is smaller than a pixel smoothed away."""
    if images.shape[-2:] == size:
        return images
    return F.interpolate(images, size=size, mode="bilinear", antialias=True)


def device_of(network: Any) -> torch.device:
    """Return the device of a network, the CPU's if it has no weights."""
    held = [getattr(network, name, tuple)() for name in ("parameters", "buffers")]
    tensors = [tensor for tensors in held for tensor in tensors]
    return tensors[0].device if tensors else torch.device("cpu")
