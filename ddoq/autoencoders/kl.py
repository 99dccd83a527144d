"""Diffusers' AutoencoderKL: the latent space of Stable Diffusion and DiT."""

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ddoq.autoencoders.shapes import latent_shape
from ddoq.autoencoders.weights import load_diffusers


class KL(nn.Module):
    """A variational autoencoder whose latents are the posterior's mean or a sample of it.

    `source` is a `save_pretrained` folder, a Hub id with its `revision`, or `pretrain`: trained on
    the recipe's own images. Scale and shift are those of the model's configuration.
    """

    means: Tensor
    deviations: Tensor

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
        self._set_channels()

    def _set_channels(self) -> None:
        """Take the mean and deviation of each channel, which some models have (Playground's)."""
        means, deviations = (
            getattr(self.model.config, f"latents_{name}", None) for name in ("mean", "std")
        )
        if means is None or deviations is None:
            means, deviations = [0.0], [1.0]
        self.register_buffer("means", _row(means), persistent=False)
        self.register_buffer("deviations", _row(deviations), persistent=False)

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
        return (latents - self.shift - self.means) * self.scale / self.deviations

    def decode(self, latents: Float[Tensor, "n d g g"]) -> Float[Tensor, "n c h w"]:
        """Return images, whose values may lie a little outside [0, 1]."""
        latents = latents * self.deviations / self.scale + self.means + self.shift
        return self.model.decode(latents).sample / 2 + 0.5


def _row(values: list[float]) -> Tensor:
    return torch.tensor(values).view(1, -1, 1, 1)
