"""The real images of a step, and how both sides are augmented: functions of the step's number."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq import keyed
from ddoq.augment import dsa
from ddoq.data.conversion import as_floats
from ddoq.data.images import Images
from ddoq.errors import UsageError
from ddoq.matching.labeled import Labeled

_ON_DEVICE_BYTES = 2 * 2**30
# From a class's images, a number to draw and a generator to images and their weights.
Pick = Callable[[Int[Tensor, " n"], int, torch.Generator], tuple[Tensor, Tensor]]


class Seen:
    """The real training images as networks see them. They stay on the device if they fit."""

    def __init__(self, images: Images, device: torch.device) -> None:
        self._images, self._device = images, device
        self.labels = images.train.labels
        size = len(self.labels) * images.channels * images.image_size**2
        self._held = images.pixels("train").to(device) if size <= _ON_DEVICE_BYTES else None

    def __call__(self, rows: Int[Tensor, " m"]) -> Float[Tensor, "m c h w"]:
        """Return some of them."""
        if self._held is None:
            pixels = self._images.some("train", rows).to(self._device)
        else:
            pixels = self._held[rows.to(self._device)]
        return self._images.preprocessing.forward(as_floats(pixels))


class Imagined:
    """Noise in place of the real training images, which need not be decoded to time a step."""

    def __init__(self, images: Images, device: torch.device) -> None:
        self.labels, self._device = images.train.labels, device
        self._shape = images.channels, images.image_size, images.image_size

    def __call__(self, rows: Int[Tensor, " m"]) -> Float[Tensor, "m c h w"]:
        """Return as much noise as images are asked for."""
        return torch.randn(len(rows), *self._shape, device=self._device)


@dataclass(frozen=True)
class Augmentation:
    """DSA's changes, each drawn by the seed, the step and what it is for.

    `_` joins strategies of which each step has one, and `+` those that are applied in sequence.
    Siamese: all images of a class, on both sides, are changed alike. Otherwise each on its own.
    """

    strategies: str
    seed: int
    is_siamese: bool = True

    def __post_init__(self) -> None:
        names = self.strategies.replace("+", "_").split("_") if self.strategies else []
        unknown = [name for name in names if name not in dsa.STRATEGIES]
        if unknown:
            raise UsageError(
                f"augmentation={self.strategies}: there is no strategy {unknown[0]!r}",
                f"join some of {', '.join(dsa.STRATEGIES)} by _ (one of them in each step) or by + "
                "(all in sequence)",
            )

    def __call__(
        self,
        images: Float[Tensor, "n c h w"],
        labels: Int[Tensor, " n"],
        *purpose: int | str,
    ) -> Float[Tensor, "n c h w"]:
        """Change one side's images. The purpose's last word tells sides apart if not siamese."""
        if not self.strategies:
            return images
        if self.is_siamese:
            return self._change(images, labels, *purpose[:-1])
        return self.each(images, *purpose)

    def each(
        self, images: Float[Tensor, "n c h w"], *purpose: int | str
    ) -> Float[Tensor, "n c h w"]:
        """Change every image on its own, as networks are trained."""
        places = torch.arange(len(images), device=images.device)
        return self._change(images, places, *purpose) if self.strategies else images

    def _change(self, images: Tensor, ids: Tensor, *purpose: int | str) -> Tensor:
        key = keyed.seed_of("augment", self.seed, *purpose)
        for place, strategy in enumerate(dsa.chosen(self.strategies, key, 0).split("+")):
            numbers = keyed.uniform(keyed.seed_of("siamese", key, place), ids, dsa.NUM_DRAWS)
            images = dsa.apply(images, numbers, strategy)
        return images


class RealDraws:
    """Batches of real images, by number."""

    def __init__(self, real: Seen | Imagined, augmentation: Augmentation, seed: int) -> None:
        self._real, self._augmentation, self._seed = real, augmentation, seed
        self._members = [
            (real.labels == label).nonzero()[:, 0] for label in range(int(real.labels.max()) + 1)
        ]

    def of_classes(self, step: int, classes: Int[Tensor, " k"], number: int, pick: Pick) -> Labeled:
        """Return up to `number` images of each class, picked and augmented for a step."""
        chosen = [self._picked(step, label, number, pick) for label in classes.tolist()]
        rows, weights = (torch.cat(parts) for parts in zip(*chosen, strict=True))
        images, labels = self._real(rows), self._real.labels[rows]
        changed = self._augmentation(images, labels.to(images.device), step, "real")
        return Labeled(changed, labels.to(images.device), weights.to(images))

    def _picked(self, step: int, label: int, number: int, pick: Pick) -> tuple[Tensor, Tensor]:
        generator = keyed.generator("real", self._seed, step, label)
        return pick(self._members[label], number, generator)

    def mixed(self, number: int, *purpose: int | str) -> Labeled:
        """Return real images of any class as they are: a batch to train on."""
        generator = keyed.generator("mixed", self._seed, *purpose)
        count = min(number, len(self._real.labels))
        return self.plain(torch.randperm(len(self._real.labels), generator=generator)[:count])

    def plain(self, rows: Int[Tensor, " m"]) -> Labeled:
        """Return some real images as they are."""
        images = self._real(rows)
        return Labeled(
            images, self._real.labels[rows].to(images.device), images.new_ones(len(rows))
        )
