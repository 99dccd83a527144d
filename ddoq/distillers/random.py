"""The baseline that every method must beat: as many random real images per class."""

from typing import TYPE_CHECKING

import torch

from ddoq import keyed
from ddoq.data.images import Images
from ddoq.distillers.spread import numbers
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


class Random:
    """Draw real training images of each class without replacement, anew for each seed.

    A `budget` is spread evenly. If it cannot be, the first classes have one image more.
    """

    def __init__(self, *, images_per_class: int = 10, budget: int | None = None) -> None:
        self.images_per_class, self.budget = images_per_class, budget

    def distill(self, images: Images, run: "Run") -> SyntheticSet:
        """Return the subset of `run.seed`."""
        members = [images.train.of_class(label) for label in range(images.num_classes)]
        wanted = numbers(
            [len(m) for m in members], images_per_class=self.images_per_class, budget=self.budget
        )
        chosen: list[torch.Tensor] = []
        for label, (own, number) in enumerate(zip(members, wanted, strict=True)):
            order = keyed.permutation(len(own), "random real", run.seed, label)
            chosen.append(own[order[:number]])
        return images.subset(torch.cat(chosen), distiller="random", budget=self.budget)
