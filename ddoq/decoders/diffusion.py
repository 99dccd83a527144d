"""The decoder that pushes points through a prior."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq import keyed
from ddoq.autoencoders.sizes import encoded, fitted
from ddoq.data.images import Images
from ddoq.decoders.sampling import Predict, Sampler
from ddoq.decoders.starts import PARTIAL, Start, begin, first_step
from ddoq.errors import UsageError
from ddoq.guides.guide import Guide, Targets
from ddoq.priors.prior import Prior
from ddoq.priors.space import refuse_shape
from ddoq.quantize.blocks import PointBlock
from ddoq.recipe.component import Block


class Diffusion:
    """Denoise each point under its class, with classifier-free guidance, whatever the prior is.

    `start` says how a point enters: `renoise` noises it to `strength` of the way, as D4M does;
    `invert` follows the prior's ODE back to there; `noisy` takes it for a sample noised so far;
    `direct` takes it for pure noise; `noise` ignores it, which gives a raw sample of the prior. The
    paper does not say which one it uses.

    Args:
        autoencoder: It decodes the result, or the points if the prior works on pixels.
        prior: The prior.
        images: The images whose classes are asked for.
        make: From a kind and a block to a component.
        seed: Noise is a function of it, the class and the number of the image.
        steps: The scheduler's steps from pure noise to an image.
        guidance: The factor of classifier-free guidance; up to 1 there is none.
        interval: The shares of the way from noise to images between which it is used.
        start: How a point enters.
        strength: The share of the way that a point is noised or inverted.
        scheduler: A name of priors/schedulers.py; the prior's own if None.
        guide: A component that draws images towards points, or none.
        prompt: For priors that read prompts: the text around the names of a class, which stand for
            {}.
        negative_prompt: What such a prior is to avoid.
        block: How many points are decoded together.
    """

    def __init__(
        self,
        autoencoder: Any,
        prior: Prior,
        images: Images,
        make: Callable[..., Any],
        seed: int,
        *,
        steps: int = 50,
        guidance: float = 1.0,
        interval: tuple[float, float] = (0.0, 1.0),
        start: Start = "renoise",
        strength: float = 0.5,
        scheduler: str | None = None,
        guide: Block | None = None,
        prompt: str = "{}",
        negative_prompt: str | None = None,
        block: int | None = 64,
    ) -> None:
        if not 0 <= strength <= 1 or steps < 1:
            raise UsageError(
                f"decoder: strength={strength}, steps={steps}",
                "strength lies in [0, 1] and there is at least one step",
            )
        self.block = block
        self._autoencoder, self._prior, self._seed = autoencoder, prior, seed
        self._conditions = prior.conditions(images, prompt, negative_prompt)
        self._guidance, self._interval = guidance, interval
        self._start: Start = start
        self._scheduler, self._steps = scheduler, steps
        self._first = first_step(steps, strength) if start in PARTIAL else 0
        self._guide: Guide | None = make("guide", guide) if guide else None
        # A scheduler or steps that the prior cannot use are refused before any work.
        Sampler.of(prior.schedule, scheduler, steps=steps, first=self._first)

    @property
    def by_class(self) -> bool:
        """Whether a block holds one class, and is made after the class's earlier blocks."""
        return self._guide is not None and self._guide.guides_classes

    def decode(self, block: PointBlock) -> Float[Tensor, "block c h w"]:
        """Return the image of each point."""
        prior = self._prior
        first = self._first
        sampler = Sampler.of(prior.schedule, self._scheduler, steps=self._steps, first=first)
        points = self._in_space(block.points)
        noise = self._noise(block, tuple(points.shape[1:])).to(prior.device)
        x = sampler.run(
            begin(self._start, points, noise, sampler, self._predict(block, 1.0)),
            self._predict(block, self._guidance),
            guide=self._guide,
            targets=self._targets(block, points) if self._guide else None,
            generators=self._generators(block),
        )
        return x / 2 + 0.5 if prior.space == "pixels" else self._autoencoder.decode(x)

    def _predict(self, block: PointBlock, guidance: float) -> Predict:
        labels, (low, high) = block.labels, self._interval

        def predict(x: Tensor, time: Tensor, share: float) -> Tensor:
            factor = guidance if low <= share < high else 1.0
            return self._prior.output(x, time, labels, self._conditions, factor)

        return predict

    def _noise(self, block: PointBlock, shape: tuple[int, ...]) -> Float[Tensor, "block ..."]:
        return keyed.normal(keyed.seed_of("decode", self._seed), block.keys, shape)

    def _generators(self, block: PointBlock) -> list[torch.Generator]:
        """Return the generator of each image, for schedulers that draw at every step."""
        return [keyed.generator("decode step", self._seed, key) for key in block.keys.tolist()]

    def _targets(self, block: PointBlock, points: Tensor) -> Targets:
        company = block.company
        if company is None:
            return Targets(points)
        # In parts, so that memory is bounded by a block and not by the class.
        size = len(block.labels)
        made = [self._encoded(part.to(points)) for part in company.images.split(size) if len(part)]
        return Targets(
            points,
            of_class=torch.cat([self._in_space(part) for part in company.points.split(size)]),
            masses=company.masses.to(points),
            made=torch.cat(made) if made else None,
            num=block.num,
        )

    def _encoded(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n ..."]:
        """Return images in the space of the prior."""
        if self._prior.space == "pixels":
            return self._fitted(images * 2 - 1)
        return encoded(self._autoencoder, images)

    def _in_space(self, points: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Return points in the space of the prior, on its device."""
        points = points.to(self._prior.device)
        if self._prior.space == "latents":
            refuse_shape(self._prior.shape, tuple(points.shape[1:]))
            return points
        return self._fitted(self._autoencoder.decode(points) * 2 - 1)

    def _fitted(self, pixels: Float[Tensor, "n c _ _"]) -> Float[Tensor, "n c _ _"]:
        """Return pixels at the prior's own size."""
        shape = self._prior.shape
        return pixels if shape is None else fitted(pixels, shape[1:])
