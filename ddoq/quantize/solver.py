"""What is a solver?"""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Solver(Protocol):
    """Finds points for the latents of one class."""

    def __call__(self, latents: Tensor, num_points: int, *, generator: torch.Generator) -> Tensor:
        """Return at most `num_points` points for latents `[n, dim]` of any float type."""
        ...


@runtime_checkable
class Counting(Protocol):
    """A solver that counts on the way, and may want its own counts for masses."""

    streaming_counts: bool
    """Whether it does."""

    def with_counts(
        self, latents: Tensor, num_points: int, *, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the points, and for how many latents each stands."""
        ...
