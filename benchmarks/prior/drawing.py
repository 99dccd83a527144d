"""Raw samples of a run's prior, as many of each class, at some guidance."""

import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ddoq.data.conversion import as_bytes, resized
from ddoq.decoders.decoding import Decoder
from ddoq.priors.raw import raw_decoder
from ddoq.quantize.blocks import PointBlock
from ddoq.run import Run


@dataclass
class Drawn:
    """What was drawn so far at one guidance, and the seconds that took."""

    guidance: float
    rounds: list[Tensor] = field(default_factory=list[Tensor])
    labels: list[Tensor] = field(default_factory=list[Tensor])
    seconds: float = 0.0

    def add(self, run: Run, each: int, *, block: int, seed: int | None = None) -> None:
        """Draw so many more of each class, with numbers that were not used yet."""
        labels = torch.arange(run.num_classes).repeat_interleave(each)
        numbers = torch.arange(each).repeat(run.num_classes) + len(self.rounds) * each
        start = time.perf_counter()
        how = {"block": block, "seed": run.seed if seed is None else seed}
        self.rounds.append(draw(run, labels, numbers, guidance=self.guidance, **how))
        self.seconds += time.perf_counter() - start
        self.labels.append(labels)

    @property
    def images(self) -> Tensor:
        """All images."""
        return torch.cat(self.rounds)

    @property
    def images_per_second(self) -> float:
        """How fast they were drawn."""
        return sum(map(len, self.rounds)) / self.seconds


def draw(
    run: Run, labels: Tensor, numbers: Tensor, *, guidance: float, block: int, seed: int
) -> Tensor:
    """Return one sample for each label and number, in 8 bits, in the host's memory."""
    recipe = run.recipe
    chosen = raw_decoder(recipe.decoder, recipe.prior, guidance=guidance, block=block)
    decoder: Decoder = run.make("decoder", chosen, seed=seed)
    size = run.autoencoder.image_size or run.image_size
    shape = run.autoencoder.latent_shape(run.channels, size)
    parts: list[Tensor] = []
    for y, k in zip(labels.split(block), numbers.split(block), strict=True):
        with torch.inference_mode():
            drawn = decoder.decode(PointBlock(torch.zeros(len(y), *shape), y, k))
        parts.append(resized(as_bytes(drawn).cpu(), run.image_size))
    return torch.cat(parts)
