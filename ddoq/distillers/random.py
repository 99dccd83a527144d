"""The baseline that every method must beat: as many random real images per class."""

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


class Random(Distiller):
    """Draw real training images of each class without replacement, anew for each seed.

    A `budget` is spread evenly. If it cannot be, the first classes have one image more.
    """

    redraws = "always"

    def __init__(
        self,
        *,
        images_per_class: int = 10,
        budget: int | None = None,
        class_prior: Literal["uniform", "data"] = "uniform",
    ) -> None:
        self.size, self._class_prior = Size(images_per_class, budget), class_prior

    def distill(self, images: Images, run: "Run", seed: int) -> SyntheticSet:
        """Return the subset of a seed."""
        members = [images.train.of_class(label) for label in range(images.num_classes)]
        wanted = self.size.numbers([len(m) for m in members])
        chosen: list[torch.Tensor] = []
        for label, (own, number) in enumerate(zip(members, wanted, strict=True)):
            order = keyed.permutation(len(own), "random real", seed, label)
            chosen.append(own[order[:number]])
        rows = torch.cat(chosen)
        weights = of_real(images.train.labels[rows], images.counts, self._class_prior)
        return images.subset(rows, weights, distiller="random", size=self.size)
