"""What an objective looks at in one step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float, Int
from torch import Tensor

from ddoq.matching.labeled import Labeled

if TYPE_CHECKING:
    from ddoq.matching.network import FlatNetwork


@dataclass(frozen=True)
class View:
    """The weights through which a step looks at both sets."""

    weights: Float[Tensor, " p"]
    trust: float = 0.0
    """The share of real training images that a trained network told right lately."""


@dataclass(frozen=True)
class Scene:
    """The two sides and the network of one step. Images are drawn when they are asked for."""

    network: "FlatNetwork"
    view: View
    classes: Int[Tensor, " k"]
    """All classes, or those of this part of the step."""
    real: Callable[[], Labeled]
    synthetic: Callable[[], Labeled]
    """Differentiable, and augmented as the real ones are."""

    def features(self, side: Labeled) -> Float[Tensor, "n dim"]:
        """Return the features of one side, through this step's network."""
        return self.network.features(self.view, side.images)
