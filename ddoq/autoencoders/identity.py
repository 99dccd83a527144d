"""An autoencoder whose latents are the pixels themselves."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn


class Identity(nn.Module):
    """Latents are the images themselves, mapped from [0, 1] to [-1, 1]."""

    def __init__(self, *, dtype: Literal["float16", "float32"] = "float32") -> None:
        super().__init__()
        self.dtype = dtype
        self.samples = False
        self.image_size: int | None = None
        self.scale, self.shift = 2.0, 0.5

    def latent_shape(self, channels: int, size: int) -> tuple[int, ...]:
        """Return the shape of one image's latent."""
        return (channels, size, size)

    def encode(
        self, images: Float[Tensor, "n c h w"], noise: Tensor | None = None
    ) -> Float[Tensor, "n c h w"]:
        """Map [0, 1] to [-1, 1]."""
        return (images - self.shift) * self.scale

    def decode(self, latents: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Map [-1, 1] back to [0, 1]."""
        return latents / self.scale + self.shift
