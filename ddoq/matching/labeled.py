"""One side of a comparison, and sums over its classes."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Labeled:
    """Images as a network sees them: preprocessed and augmented."""

    images: Float[Tensor, "n c h w"]
    labels: Int[Tensor, " n"]
    weights: Float[Tensor, " n"]
    """1, unless a start brought weights or a sampler corrects for its draw. 2 is two copies."""

    def of_class(self, label: int) -> "Labeled":
        """Return the images of a class."""
        rows = (self.labels == label).nonzero()[:, 0]
        return Labeled(self.images[rows], self.labels[rows], self.weights[rows])


def weighted_mean(values: Float[Tensor, " n"], weights: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Return sum w x / sum w, the mean of a list in which each x stands w times."""
    weights = weights.to(values)
    return (weights * values).sum() / weights.sum()


def class_means(
    values: Float[Tensor, "n dim"],
    labels: Int[Tensor, " n"],
    weights: Float[Tensor, " n"],
    classes: Int[Tensor, " k"],
) -> Float[Tensor, "k dim"]:
    """Return the weighted mean of each class."""
    shares = (classes[:, None] == labels[None]).to(values) * weights.to(values)
    return (shares / shares.sum(1, keepdim=True)) @ values
