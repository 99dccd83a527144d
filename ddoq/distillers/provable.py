"""Provable subset selection: real images drawn by how much they matter."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq import keyed
from ddoq.distillers.coresets import Coreset, Features
from ddoq.distillers.sensitivity import draw, of_clusters, of_regression
from ddoq.distillers.weighting import class_priors, mass
from ddoq.size import Size

if TYPE_CHECKING:
    from ddoq.run import Run

# From features, a number k and a generator to the score and the cluster of each row.
_Scores = Callable[[Tensor, int, torch.Generator], tuple[Tensor, Tensor]]
_BY: dict[str, _Scores] = {"sensitivity": of_clusters, "leverage": of_regression}


class Provable(Coreset):
    """Real training images of each class, drawn with chances proportional to their scores."""

    redraws = "always"

    def __init__(
        self, by: str, weights: str, *, size: Size, features: Features, class_prior: str
    ) -> None:
        super().__init__("provable", size=size, features=features, class_prior=class_prior)
        self._by, self._kind = by, weights

    def select(self, features: Tensor, k: int, *purpose: int) -> dict[str, Tensor]:
        """Return the rows that are drawn, and how many rows each stands for."""
        if not 0 < k < len(features):
            rows = torch.arange(len(features))[:k]
            return {"rows": rows, "stands_for": torch.ones(len(rows), dtype=torch.float64)}
        generator = keyed.generator("provable", self._by, *purpose)
        scores, clusters = _BY[self._by](features, k, generator)
        rows, stands_for = draw(features, scores, clusters, k, generator)
        return {"rows": rows, "stands_for": stands_for}

    def weights(
        self,
        chosen: dict[str, Tensor],
        labels: Int[Tensor, " n"],
        counts: Int[Tensor, " classes"],
    ) -> Float[Tensor, " n"]:
        """Weight all images of a class alike, or each by how many it stands for."""
        if self._kind == "uniform":
            return super().weights(chosen, labels, counts)
        return mass(chosen["stands_for"], labels, class_priors(counts, self.class_prior))

    def key(self, run: "Run", seed: int) -> dict[str, Any]:
        """Return what determines the choice, the seed too."""
        return {**super().key(run, seed), "by": self._by, "seed": seed}


def provable(
    *,
    images_per_class: int = 10,
    budget: int | None = None,
    by: Literal["sensitivity", "leverage"] = "sensitivity",
    weights: Literal["uniform", "inverse"] = "uniform",
    features: Literal["latents", "pixels", "teacher"] = "latents",
    class_prior: Literal["uniform", "data"] = "uniform",
) -> Provable:
    """Draw real images with chances proportional to their sensitivity, without near copies.

    `by` is a bound of a row's share in any k-means cost, or its ridge leverage. With
    `weights=inverse` an image weighs one over its chance, which makes the cost of any k points on
    the set unbiased; without it the draw favors unusual images. The constants are ours: the
    centers are k points of greedy k-means++, and copies are within a tenth of the class's spread.
    """
    settings: dict[str, Any] = {"features": features, "class_prior": class_prior}
    return Provable(by, weights, size=Size(images_per_class, budget), **settings)
