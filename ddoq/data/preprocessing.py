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


@functools.cache
def _of_channels(numbers: tuple[float, ...], device: torch.device) -> Float[Tensor, "c 1 1"]:
    """Return one number for each channel. It is kept, as a copy to a device would wait for it."""
    # A tensor made in inference mode could not be used when images are learned.
    with torch.inference_mode(False):
        return torch.tensor(numbers, device=device)[:, None, None]
