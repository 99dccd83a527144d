"""A decoder that denoises points by a U-Net in pixels or latents, along EDM's ODE."""

from typing import Any, Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ddoq import keyed
from ddoq.data.images import Images
from ddoq.decoders.denoise import first_step, refuse_settings
from ddoq.decoders.integrate import INTEGRATORS
from ddoq.priors.unet import SampleSpace
from ddoq.quantize.blocks import PointBlock


@runtime_checkable
class Denoiser(Protocol):
    """The prior that this decoder needs: any class with these attributes will do."""

    space: SampleSpace
    shape: tuple[int, int, int]
    """The shape of one sample."""

    @property
    def device(self) -> torch.device:
        """The device that it is on."""
        ...

    def labels_of(self, class_ids: tuple[str, ...]) -> Int[Tensor, " classes"]:
        """Return the prior's label for each class id."""
        ...

    def levels(self, steps: int) -> Float[Tensor, " levels"]:
        """Return the falling noise levels of a number of steps."""
        ...

    def denoised(
        self, x: Float[Tensor, "n c h w"], level: float, labels: Int[Tensor, " n"], guidance: float
    ) -> Float[Tensor, "n c h w"]:
        """Return the clean images that the prior predicts from noisy ones."""
        ...


class UNet:
    """Noise each point and denoise it under its class label, with classifier-free guidance.

    `start=renoise` noises the point to `strength` of the levels and denoises from there;
    `start=noise` ignores the point and gives a raw sample of the prior. If the prior works on
    pixels, the autoencoder decodes the point first, whatever latent space it was quantized in.
    """

    def __init__(
        self,
        autoencoder: Any,
        prior: Denoiser,
        images: Images,
        seed: int,
        *,
        steps: int = 18,
        guidance: float = 1.5,
        start: Literal["renoise", "noise"] = "renoise",
        strength: float = 0.5,
        scheduler: Literal["heun", "dpm"] = "heun",
        block: int = 64,
    ) -> None:
        refuse_settings(steps=steps, strength=strength)
        self.block = block
        self._autoencoder, self._prior, self._guidance = autoencoder, prior, guidance
        self._labels, self._seed = prior.labels_of(images.class_ids), seed
        self._is_raw, self._integrate = start == "noise", INTEGRATORS[scheduler]
        self._levels = prior.levels(steps)
        self._first = 0 if self._is_raw else first_step(steps, strength)

    def decode(self, block: PointBlock) -> Float[Tensor, "block c h w"]:
        """Return the denoised image of each point."""
        prior = self._prior
        labels = self._labels[block.labels].to(prior.device)
        x = self._integrate(
            lambda noisy, level: prior.denoised(noisy, level, labels, self._guidance),
            self._begin(block),
            self._levels[self._first :],
        )
        return x / 2 + 0.5 if prior.space == "pixels" else self._autoencoder.decode(x)

    def _begin(self, block: PointBlock) -> Float[Tensor, "block c h w"]:
        """Return the images that denoising starts from. Noise is keyed by (seed, class, k)."""
        clean = torch.zeros(1) if self._is_raw else self._clean(block)
        is_latent = self._is_raw and self._prior.space == "latents"
        shape = tuple(block.points.shape[1:]) if is_latent else self._prior.shape
        noise = keyed.normal(keyed.seed_of("decode", self._seed), block.keys, shape)
        # If the strength is too small for a step, the level is 0 and the point stays as it is.
        return clean.to(self._prior.device) + self._levels[self._first] * noise.to(
            self._prior.device
        )

    def _clean(self, block: PointBlock) -> Float[Tensor, "block c h w"]:
        """Return the points in the space of the prior."""
        points = block.points.to(self._prior.device)
        if self._prior.space == "latents":
            return points
        pixels = self._autoencoder.decode(points) * 2 - 1
        side = self._prior.shape[1:]
        if pixels.shape[2:] == side:
            return pixels
        return F.interpolate(pixels, size=side, mode="bilinear", antialias=True)
