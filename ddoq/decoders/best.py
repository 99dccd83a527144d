"""Decoders that make several images of each point and keep the best one."""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq import keyed
from ddoq.autoencoders.sizes import device_of, encoded, fitted
from ddoq.data.images import Images
from ddoq.decoders.decoding import Decoder
from ddoq.errors import UsageError
from ddoq.quantize.blocks import PointBlock
from ddoq.recipe.component import Block

# From images and their block to the score of each image, of which the largest is kept.
Merit = Callable[[Tensor, PointBlock], Tensor]


# The version of how attempts differ. Raise it when their noise changes.
ATTEMPTS = 1


class Best:
    """Decode each point by several decoders, and keep the image that scores best."""

    def __init__(self, decoders: list[Decoder], merit: Merit) -> None:
        if getattr(decoders[0], "by_class", False):
            raise UsageError(
                "decoder: the images of a class that is guided as a whole cannot be chosen alone",
                "use another guide than transport, or no choice of the best",
            )
        self.block = decoders[0].block
        self._decoders, self._merit = decoders, merit

    def decode(self, block: PointBlock) -> Float[Tensor, "block c h w"]:
        """Return the best image of each point."""
        best = scores = None
        for decoder in self._decoders:
            images = decoder.decode(block)
            found = self._merit(images, block).nan_to_num(nan=-math.inf)
            if best is None or scores is None:
                best, scores = images, found
                continue
            is_better = found > scores
            best = torch.where(is_better.to(best.device)[:, None, None, None], images, best)
            scores = torch.where(is_better, found, scores)
        assert best is not None
        return best


def _attempts(make: Callable[..., Any], seed: int, decoder: Block, number: int) -> list[Decoder]:
    """Return a decoder with other noise for each attempt; the first one's is its own."""
    # The depth is part of the purpose, as a decoder within makes attempts of its own.
    depth = _depth(decoder)
    seeds = [seed, *(keyed.seed_of("attempt", seed, n, depth) for n in range(1, number))]
    return [make("decoder", decoder, seed=one) for one in seeds]


def _depth(decoder: Block) -> int:
    """Return how many decoders lie within a decoder."""
    within = decoder.get("decoder")
    return 1 + _depth(within) if isinstance(within, dict) else 0


def confident(
    teacher: Any, make: Callable[..., Any], seed: int, *, decoder: Block, number: int = 4
) -> Best:
    """Keep the image of each point that the teacher is most sure of: that it is of its class."""

    def merit(images: Tensor, block: PointBlock) -> Tensor:
        logits = teacher(images.clamp(0, 1).to(device_of(teacher)))
        return logits.softmax(1).cpu().gather(1, block.labels[:, None])[:, 0]

    return Best(_attempts(make, seed, decoder, number), merit)


def closest(
    autoencoder: Any,
    images: Images,
    make: Callable[..., Any],
    seed: int,
    *,
    decoder: Block,
    number: int = 4,
) -> Best:
    """Keep the image of each point whose latent is nearest to the point."""
    size = (images.image_size, images.image_size)

    def merit(images: Tensor, block: PointBlock) -> Tensor:
        # A prior of pixels has a size of its own.
        latents = encoded(autoencoder, fitted(images.clamp(0, 1), size)).cpu()
        return -(latents - block.points).flatten(1).square().sum(1)

    return Best(_attempts(make, seed, decoder, number), merit)
