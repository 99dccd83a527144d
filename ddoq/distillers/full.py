"""The whole training set: what there is to reach."""

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ddoq.data.images import Images
from ddoq.distillers.distiller import Distiller
from ddoq.distillers.weighting import of_real
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


class Full(Distiller):
    """Keep every real training image."""

    redraws = "never"
    keeps_all = True

    def __init__(self, *, class_prior: Literal["uniform", "data"] = "uniform") -> None:
        self._class_prior = class_prior

    def distill(self, images: Images, run: "Run", seed: int) -> SyntheticSet:
        """Return all training images as a set."""
        whole = images.whole()
        weights = of_real(whole.labels, images.counts, self._class_prior)
        return replace(whole, weights=weights)
