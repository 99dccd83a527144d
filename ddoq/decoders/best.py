"""Decoders that make several images of each point and keep the best one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.decoders.decoding import Decoder
from ddoq.errors import UsageError
from ddoq.quantize.blocks import PointBlock
from ddoq.recipe.component import Block

# From images and their block to the score of each image, of which the largest is kept.
Merit = Callable[[Tensor, PointBlock], Tensor]


class Best:
    """Decode each point `number` times with other noise, and keep the image that scores best."""

    def __init__(self, decoder: Decoder, number: int, merit: Merit) -> None:
        if getattr(decoder, "by_class", False):
            raise UsageError(
                "decoder: the images of a class that is guided as a whole cannot be chosen alone",
                "use another guide than transport, or no choice of the best",
            )
        self.block = decoder.block
        self._decoder, self._number, self._merit = decoder, number, merit

    def decode(self, block: PointBlock) -> Float[Tensor, "block c h w"]:
        """Return the best image of each point."""
        best = scores = None
        for attempt in range(self._number):
            # The first attempt is the image that the decoder makes alone.
            images = self._decoder.decode(replace(block, ranks=block.ranks + attempt * _ATTEMPT))
            found = self._merit(images, block)
            if best is None or scores is None:
                best, scores = images, found
                continue
            is_better = found > scores
            best = torch.where(is_better[:, None, None, None], images, best)
            scores = torch.where(is_better, found, scores)
        assert best is not None
        return best


# Numbers of attempts lie above those of a class's images.
_ATTEMPT = 2**20


def confident(
    teacher: Any, make: Callable[..., Any], seed: int, *, decoder: Block, number: int = 4
) -> Best:
    """Keep the image of each point that the teacher is most sure of: that it is of its class."""

    def merit(images: Tensor, block: PointBlock) -> Tensor:
        labels = block.labels.to(images.device)
        return teacher(images.clamp(0, 1)).softmax(1).gather(1, labels[:, None])[:, 0]

    return Best(make("decoder", decoder, seed=seed), number, merit)


def closest(
    autoencoder: Any, make: Callable[..., Any], seed: int, *, decoder: Block, number: int = 4
) -> Best:
    """Keep the image of each point whose latent is nearest to the point."""

    def merit(images: Tensor, block: PointBlock) -> Tensor:
        latents = autoencoder.encode(images.clamp(0, 1))
        return -(latents - block.points.to(latents)).flatten(1).square().sum(1)

    return Best(make("decoder", decoder, seed=seed), number, merit)
