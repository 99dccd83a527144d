"""W2 between the latents of real images and those of synthetic images, encoded again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from jaxtyping import Float, Int
from torch import Tensor

from ddoq.quantize.transport import transport_of


@dataclass(frozen=True)
class Distance:
    """A mean of W2 over classes: the bounds are equal where every class was solved exactly."""

    lower: float
    upper: float

    @classmethod
    def mean(cls, distances: "Sequence[Distance]") -> "Distance | None":
        """Return the mean over classes, or None of no classes."""
        if not distances:
            return None
        return cls(fmean(d.lower for d in distances), fmean(d.upper for d in distances))


def class_w2(
    latents: Float[Tensor, "n ..."], encoded: Float[Tensor, "k ..."], masses: Float[Tensor, " k"]
) -> Distance:
    """Return W2 between the equally weighted latents of a class and weighted encoded images."""
    found = transport_of(latents, encoded, masses)
    return Distance(max(0.0, found.lower) ** 0.5, max(0.0, found.upper) ** 0.5)


def w2_of_classes(
    latents_of: Callable[[int], Float[Tensor, "n ..."]],
    encoded: Float[Tensor, "k ..."],
    labels: Int[Tensor, " k"],
    weights: Float[Tensor, " k"],
) -> dict[int, Distance]:
    """Return W2 of each class whose images have weight.

    Args:
        latents_of: A function that returns the latents of a class.
        encoded: The latents of the synthetic images.
        labels: Of the synthetic images.
        weights: Of the synthetic images; only each one's share of its class matters.
    """
    found: dict[int, Distance] = {}
    for label in labels.unique().tolist():
        own = labels == label
        if float(weights[own].sum()) > 0:
            found[label] = class_w2(latents_of(label), encoded[own], weights[own])
    return found
