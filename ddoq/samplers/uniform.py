"""Every real image is as likely as any other."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.matching.labeled import Labeled
from ddoq.matching.network import FlatNetwork
from ddoq.matching.scene import View


class Uniform:
    """Draw without replacement within a step. A batch as large as the class is all of it."""

    def draw(
        self, members: Int[Tensor, " n"], number: int, generator: torch.Generator
    ) -> tuple[Int[Tensor, " m"], Float[Tensor, " m"]]:
        """Return some of a class's images, all of weight 1."""
        if number >= len(members):
            return members, torch.ones(len(members))
        return members[torch.randperm(len(members), generator=generator)[:number]], torch.ones(
            number
        )

    def renew(
        self, step: int, network: FlatNetwork, view: View, plain: Callable[[Tensor], Labeled]
    ) -> None:
        """Look at nothing."""
