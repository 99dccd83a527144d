"""The contract of a guide, and what it knows about the images that it guides."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Targets:
    """The points of some images of a prior's block, in the space of the prior."""

    points: Float[Tensor, "n ..."]
    """The point of each image."""
    of_class: Float[Tensor, "k ..."] | None = None
    """All points of the images' class, for a guide of whole classes."""
    masses: Float[Tensor, " k"] | None = None
    """Their masses."""
    made: Float[Tensor, "m ..."] | None = None
    """Images of the class that are already made."""
    num: int | None = None
    """How many of the images count, for a guide of whole classes; the others are padding."""


@runtime_checkable
class Guide(Protocol):
    """Changes the clean images that a prior predicts at a step, and so where the step leads."""

    guides_classes: bool
    """Whether it looks at all images of a class together."""

    def __call__(
        self, clean: Float[Tensor, "n ..."], targets: Targets, done: float
    ) -> Float[Tensor, "n ..."]:
        """Return the guided clean images, when a share of the decoder's steps is done."""
        ...
