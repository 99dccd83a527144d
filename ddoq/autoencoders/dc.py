"""Diffusers' AutoencoderDC: deep compression, with few large latents (Chen et al. 2025)."""

from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn

from ddoq.autoencoders.shapes import latent_shape
from ddoq.autoencoders.weights import load_diffusers


class DC(nn.Module):
    """An autoencoder without posterior that makes sides 32 times smaller or more.

    `source` is as for `kl`. The scale is that of the model's configuration.
    """

    def __init__(
        self,
        *,
        source: str = "pretrain",
        revision: str | None = None,
        subfolder: str | None = None,
        image_size: int | None = None,
        dtype: Literal["float16", "float32"] = "float16",
    ) -> None:
        super().__init__()
        from diffusers.models.autoencoders.autoencoder_dc import AutoencoderDC

        self.model: Any = load_diffusers(
            AutoencoderDC, source, revision=revision, subfolder=subfolder
        )
        self.samples, self.dtype, self.image_size = False, dtype, image_size
        self.scale, self.shift = float(self.model.config.scaling_factor), 0.0

    def latent_shape(self, channels: int, size: int) -> tuple[int, ...]:
        """Return the shape of one image's latent."""
        return latent_shape("dc", self.model.config, size)

    def encode(
        self, images: Float[Tensor, "n c h w"], noise: Tensor | None = None
    ) -> Float[Tensor, "n d g g"]:
        """Return scaled latents."""
        return self.model.encode(images * 2 - 1).latent * self.scale

    def decode(self, latents: Float[Tensor, "n d g g"]) -> Float[Tensor, "n c h w"]:
        """Return images, whose values may lie a little outside [0, 1]."""
        return self.model.decode(latents / self.scale).sample / 2 + 0.5
