"""How do images become what a network sees, and back?"""

import functools
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Preprocessing(Protocol):
    """What stands between images, 0 black and 1 white, and every network of a run."""

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return images as networks see them."""
        ...

    def inverse(self, seen: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the images that networks see so."""
        ...


@dataclass(frozen=True)
class Normalize:
    """One number of each channel is taken away, and by another one the rest divided."""

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
    """Return one number for each channel; kept, as a copy to a device would wait for it."""
    # What is made in inference mode could not be used where images are learned.
    with torch.inference_mode(False):
        return torch.tensor(numbers, device=device)[:, None, None]
