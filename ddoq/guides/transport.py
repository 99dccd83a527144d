"""Transport guidance: the images of a class together are drawn towards its points and masses."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.guides.guide import Targets
from ddoq.guides.sinkhorn import pulls


@dataclass(frozen=True, kw_only=True)
class TransportGuide:
    """Lower the Sinkhorn loss between a class's predicted clean images and its weighted points.

    So masses act in generation: more images come to lie where a point stands for many latents. This
    is the loss of DMGD (CVPR 2026), here debiased, in log space, and for any number of images and
    points. Images that are already made count, but do not move.
    """

    weight: float = 0.5
    """The share of the way to the points that each step moves."""
    begin: float = 0.0
    """The share of the decoder's steps after which the guidance begins."""
    stop: float = 0.9
    """The share after which it ends."""
    epsilon: float = 0.05
    """The temperature of the plan, relative to the mean squared distance."""
    iterations: int = 1000
    """The most half-steps of a plan."""
    tolerance: float = 0.001
    """The share of the mass that a plan may misplace. At 0 it takes all its iterations."""

    @property
    def guides_classes(self) -> bool:
        """All images of a class are guided together."""
        return True

    def __call__(
        self, clean: Float[Tensor, "n ..."], targets: Targets, done: float
    ) -> Float[Tensor, "n ..."]:
        """Return the clean images, moved so that together they come nearer to the points."""
        if not self.begin <= done < self.stop:
            return clean
        assert targets.of_class is not None
        assert targets.masses is not None
        num = len(clean) if targets.num is None else targets.num
        moving = clean[:num].flatten(1)
        made = moving[:0] if targets.made is None else targets.made.flatten(1)
        whole = torch.cat([moving, made])
        rows = torch.full_like(whole[:, 0], 1 / len(whole))
        shares = targets.masses.to(whole) / targets.masses.sum()
        held = shares > 0
        pull = pulls(
            whole,
            targets.of_class.flatten(1)[held],
            rows,
            shares[held],
            epsilon=self.epsilon,
            iterations=self.iterations,
            tolerance=self.tolerance,
        )
        moved = clean.clone()
        moved[:num] += self.weight * pull[:num].reshape(clean[:num].shape)
        return moved
