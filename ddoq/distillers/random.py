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
        members = [images.train.of_class(label) for label in range(images.num_classes)]
        numbers = self._numbers([len(m) for m in members])
        chosen: list[torch.Tensor] = []
        for label, (own, number) in enumerate(zip(members, numbers, strict=True)):
            order = keyed.permutation(len(own), "random real", run.seed, label)
            chosen.append(own[order[:number]])
        return images.subset(torch.cat(chosen), distiller="random", budget=self.budget)

    def _numbers(self, sizes: list[int]) -> list[int]:
        if self.budget is None:
            return [self.images_per_class] * len(sizes)
        numbers, left = [0] * len(sizes), min(self.budget, sum(sizes))
        # What small classes cannot give goes to the others.
        while left:
            open_classes = [c for c, n in enumerate(sizes) if numbers[c] < n]
            share = max(1, left // len(open_classes))
            for c in open_classes:
                more = min(share, sizes[c] - numbers[c], left)
                numbers[c] += more
                left -= more
        return numbers
