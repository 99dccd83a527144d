"""Conversions of images: between 8 bits and floats, and to another size."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def as_floats(images: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return 8-bit images as floats in [0, 1]."""
    return images.to(torch.float32, copy=True).div_(255)


def in_floats(images: Tensor) -> Tensor:
    """Return images as floats where 0 is black and 1 is white. Floats are so already."""
    return as_floats(images) if images.dtype == torch.uint8 else images


def as_bytes(images: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Return floats in [0, 1] as 8-bit images, rounded."""
    return (images.clamp(0, 1) * 255).round().to(torch.uint8)


def resized(images: UInt8[Tensor, "n c h w"], size: int) -> UInt8[Tensor, "n c size size"]:
    """Return square images at another size, antialiased."""
    if images.shape[-2:] == (size, size):
        return images
    scaled = torch.nn.functional.interpolate(
        as_floats(images), size=(size, size), mode="bilinear", antialias=True
    )
    return as_bytes(scaled)
