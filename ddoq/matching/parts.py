"""The contracts of the loop's exchangeable parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.matching.labeled import Labeled
from ddoq.matching.network import FlatNetwork
from ddoq.matching.scene import Scene, View

# From a purpose, such as a step and an epoch, to a batch to train a network on.
MakeBatch = Callable[..., Labeled]


@runtime_checkable
class SetObjective(Protocol):
    """How far apart two sets are, seen through the network of a step.

    It honors weights: an image of weight 2 counts as two copies. One that passes every class
    through the network on its own says `takes_classes_apart = True`, and is not given networks
    with batch statistics.
    """

    def loss(self, scene: Scene) -> Float[Tensor, ""]:
        """Return the loss that the synthetic images descend."""
        ...


@runtime_checkable
class Viewpoint(Protocol):
    """Supplies the weights of each step. What it keeps from step to step are buffers of a module.

    Its constructor may ask for `network`, `seed` and `num_steps`.
    """

    def at(self, step: int) -> View:
        """Return the weights of a step."""
        ...

    def advance(self, step: int, synthetic: MakeBatch, real: MakeBatch) -> None:
        """Train networks after a step.

        `synthetic(*purpose)` is the whole set, `real(number, *purpose)` a batch of real images.
        """
        ...


@runtime_checkable
class Parameterization(Protocol):
    """What is learned, and how it becomes images.

    Its constructor may ask for `preprocessing` and `image_size`.
    """

    views: int
    """The number of images that one stored image stands for."""
    hints: dict[str, Any]
    """What a protocol must know to read the set."""

    def begin(self, images: Float[Tensor, "n c h w"]) -> dict[str, Tensor]:
        """Return what is learned, from `views` images in [0, 1] for each image of the set."""
        ...

    def decode(
        self, learned: Mapping[str, Tensor], rows: Int[Tensor, " n"]
    ) -> Float[Tensor, "m c h w"]:
        """Return the images of some rows as networks see them, `views` of each."""
        ...

    def settle(self, learned: Mapping[str, Tensor]) -> None:
        """Correct what was learned after a step, in place."""
        ...

    def finish(self, learned: Mapping[str, Tensor]) -> Float[Tensor, "n c h w"]:
        """Return the images of the set, where 0 is black and 1 is white."""
        ...


@runtime_checkable
class RowSampler(Protocol):
    """Chooses the real images that a step sees. Its constructor may ask for `num_images`."""

    def draw(
        self, members: Int[Tensor, " n"], number: int, generator: torch.Generator
    ) -> tuple[Int[Tensor, " m"], Float[Tensor, " m"]]:
        """Return some of a class's images, and their weights."""
        ...

    def renew(
        self, step: int, network: FlatNetwork, view: View, plain: Callable[[Tensor], Labeled]
    ) -> None:
        """Look at real images (`plain(rows)`) before a step draws some."""
        ...


@dataclass(frozen=True)
class LoopParts:
    """The parts of one loop."""

    objective: SetObjective
    viewpoint: Viewpoint
    parameterization: Parameterization
    sampler: RowSampler
