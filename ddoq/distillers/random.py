"""The baseline that every method must beat: random real images, as many per class."""

from typing import TYPE_CHECKING

import torch

from ddoq import keyed
from ddoq.data.images import Images
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


class Random:
    """Draw real training images of each class without replacement, anew for each seed.

    A `budget` is spread evenly; where it cannot be, the first classes have one image more.
    """

    def __init__(self, *, images_per_class: int = 10, budget: int | None = None) -> None:
        self.images_per_class, self.budget = images_per_class, budget

    def distill(self, images: Images, run: "Run") -> SyntheticSet:
        """Return the subset of `run.seed`."""
        chosen: list[torch.Tensor] = []
        for label in range(images.num_classes):
            members = images.train.of_class(label)
            order = keyed.permutation(len(members), "random real", run.seed, label)
            chosen.append(members[order[: self._number(label, images.num_classes)]])
        return images.subset(torch.cat(chosen), distiller="random", budget=self.budget)

    def _number(self, label: int, num_classes: int) -> int:
        if self.budget is None:
            return self.images_per_class
        return self.budget // num_classes + (label < self.budget % num_classes)
