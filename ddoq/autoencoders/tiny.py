"""Diffusers' AutoencoderTiny: a small deterministic autoencoder, fast on a CPU."""

from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn

from ddoq.autoencoders.shapes import latent_shape
from ddoq.autoencoders.weights import load_diffusers


class Tiny(nn.Module):
    """A small autoencoder without posterior; `source` as for `kl`."""

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
        from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

        self.model: Any = load_diffusers(
            AutoencoderTiny, source, revision=revision, subfolder=subfolder
        )
        self.samples, self.dtype, self.image_size = False, dtype, image_size
        self.scale = float(self.model.config.scaling_factor)
        self.shift = float(self.model.config.shift_factor or 0.0)

    def latent_shape(self, channels: int, size: int) -> tuple[int, ...]:
        """Return the shape of one image's latent."""
        return latent_shape("tiny", self.model.config, size)

    def encode(
        self, images: Float[Tensor, "n c h w"], noise: Tensor | None = None
    ) -> Float[Tensor, "n d g g"]:
        """Return scaled latents."""
        return (self.model.encode(images * 2 - 1).latents - self.shift) * self.scale

    def decode(self, latents: Float[Tensor, "n d g g"]) -> Float[Tensor, "n c h w"]:
        """Return images, whose values may lie a little outside [0, 1]."""
        return self.model.decode(latents / self.scale + self.shift).sample / 2 + 0.5
