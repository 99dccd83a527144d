"""Diffusers' AutoencoderKL: the latent space of Stable Diffusion and DiT."""

from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn

from ddoq.autoencoders.shapes import latent_shape
from ddoq.autoencoders.weights import load_diffusers


class KL(nn.Module):
    """A variational autoencoder whose latents are the posterior's mean or a sample of it.

    `source` is a `save_pretrained` folder, a Hub id with its `revision`, or `pretrain`: trained on
    the recipe's own images. Scale and shift are those of the model's configuration.
    """

    def __init__(
        self,
        *,
        source: str = "pretrain",
        revision: str | None = None,
        subfolder: str | None = None,
        samples: bool = False,
        image_size: int | None = None,
        dtype: Literal["float16", "float32"] = "float16",
    ) -> None:
        super().__init__()
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

        self.model: Any = load_diffusers(
            AutoencoderKL, source, revision=revision, subfolder=subfolder
        )
        self.samples, self.dtype, self.image_size = samples, dtype, image_size
        self.scale = float(self.model.config.scaling_factor)
        self.shift = float(self.model.config.shift_factor or 0.0)

    def latent_shape(self, channels: int, size: int) -> tuple[int, ...]:
        """Return the shape of one image's latent."""
        return latent_shape("kl", self.model.config, size)

    def encode(
        self, images: Float[Tensor, "n c h w"], noise: Tensor | None = None
    ) -> Float[Tensor, "n d g g"]:
        """Return scaled latents; a posterior that is sampled is drawn with `noise`."""
        posterior = self.model.encode(images * 2 - 1).latent_dist
        latents = posterior.mean
        if noise is not None:
            latents = latents + posterior.std * noise
        return (latents - self.shift) * self.scale

    def decode(self, latents: Float[Tensor, "n d g g"]) -> Float[Tensor, "n c h w"]:
        """Return images, whose values may lie a little outside [0, 1]."""
        return self.model.decode(latents / self.scale + self.shift).sample / 2 + 0.5
