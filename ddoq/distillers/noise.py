"""Gaussian noise in place of images: a start from which a set is learned, as in DC."""

from typing import TYPE_CHECKING, Literal

import torch

from ddoq import keyed
from ddoq.data.images import Images
from ddoq.distillers.distiller import Distiller
from ddoq.distillers.weighting import of_real
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


class Noise(Distiller):
    """Draw images of which networks see standard normal pixels."""

    redraws = "always"

    def __init__(
        self,
        *,
        images_per_class: int = 10,
        class_prior: Literal["uniform", "data"] = "uniform",
    ) -> None:
        self.size, self._class_prior = Size(images_per_class), class_prior

    def distill(self, images: Images, run: "Run", seed: int) -> SyntheticSet:
        """Return the noise of a seed, as many images as there would be real ones."""
        numbers = torch.tensor(self.size.numbers(images.counts.tolist()))
        labels = torch.arange(images.num_classes).repeat_interleave(numbers)
        shape = images.channels, images.image_size, images.image_size
        pixels = keyed.normal(keyed.seed_of("noise", seed), torch.arange(len(labels)), shape)
        return SyntheticSet(
            images=images.preprocessing.inverse(pixels),
            labels=labels,
            weights=of_real(labels, images.counts, self._class_prior),
            class_names=images.class_names,
            class_ids=images.class_ids,
            space="image",
            provenance={"distiller": "noise", "images": images.fingerprint, **self.size.key},
        )
