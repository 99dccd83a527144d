"""Conversions between images and what networks see."""

import functools
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Preprocessing(Protocol):
    """The conversion between images (0 black, 1 white) and the inputs of every network."""

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return images as networks see them."""
        ...

    def inverse(self, seen: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the images that networks see so."""
        ...


@dataclass(frozen=True)
class Normalize:
    """Subtract a channel's mean, and divide by its standard deviation."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return images as networks see them."""
        return (images - _of_channels(self.mean, images.device)) / _of_channels(
            self.std, images.device
        )

    def inverse(self, seen: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the images that networks see so."""
        return seen * _of_channels(self.std, seen.device) + _of_channels(self.mean, seen.device)


@dataclass(frozen=True)
class Unchanged:
    """Networks see the images as they are."""

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return images as networks see them."""
        return images

    def inverse(self, seen: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the images that networks see so."""
        return seen


@dataclass(frozen=True, eq=False)
class ZCA:
    """Whiten: take away the mean image, and multiply the pixels by a symmetric matrix.

    It is `(C + eps)^(-1/2)`, where C is the covariance of the pixels of real training images
    (data/whitening.py). The inverse exists as eps is above 0.
    """

    matrix: Float[Tensor, "dim dim"]
    back: Float[Tensor, "dim dim"]
    """The inverse of the matrix."""
    mean: Float[Tensor, " dim"]

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return images as networks see them."""
        here = images.device
        flat = images.flatten(1) - self.mean.to(here)
        return (flat @ self.matrix.to(here)).reshape(images.shape)

    def inverse(self, seen: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the images that networks see so."""
        here = seen.device
        flat = seen.flatten(1) @ self.back.to(here) + self.mean.to(here)
        return flat.reshape(seen.shape)

    def to(self, device: torch.device) -> "ZCA":
        """Return it with its numbers on a device."""
        return ZCA(*(t.to(device) for t in (self.matrix, self.back, self.mean)))


@functools.cache
def _of_channels(numbers: tuple[float, ...], device: torch.device) -> Float[Tensor, "c 1 1"]:
    """Return one number for each channel. It is kept, as a copy to a device would wait for it."""
    # A tensor made in inference mode could not be used when images are learned.
    with torch.inference_mode(False):
        return torch.tensor(numbers, device=device)[:, None, None]


def with_margin(size: int) -> int:
    """Return the side of images whose center of a size is cropped: 256 for 224.

    It is rounded as in the code of the field. Images below 7 pixels have no margin.
    """
    return max(size, size // 7 * 8)
