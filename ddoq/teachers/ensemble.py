"""An ensemble of teachers that labels by the mean of their logits, as in EDC."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ddoq.errors import UsageError
from ddoq.recipe.component import Block
from ddoq.teachers.teacher import Teacher


class Ensemble(nn.Module):
    """Teachers that label together. Each one resizes, normalizes and gathers for itself."""

    def __init__(self, members: list[Teacher]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def for_classes(self, class_ids: tuple[str, ...]) -> "Ensemble":
        """Restrict the logits of all members to these classes, in this order."""
        for member in self.members:
            member.for_classes(class_ids)  # type: ignore[operator] # a teacher's method
        return self

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Return the mean logits of the wanted classes."""
        return torch.stack([member(images) for member in self.members]).mean(0)

    def maps(self, images: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n ..."]]:
        """Return the feature maps of all members, with gradients."""
        return [found for member in self.members for found in member.maps(images)]  # type: ignore[operator] # a teacher's method


def ensemble(make: Callable[[str, Block], Teacher], *, teachers: list[Block]) -> Ensemble:
    """Load several teachers, each given as a block or a name."""
    if len(teachers) < 2:
        raise UsageError("an ensemble of fewer than two teachers", "list them: teachers=[A, B]")
    return Ensemble([make("teacher", block) for block in teachers])
