"""The contract of a solver, and what a solver may be able to do beyond it.

Any callable that fits `Solver` will do. The other protocols are abilities: a solver that has the
attributes and methods of one is used that way, whether it is ours or a user's.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

OfRows = Callable[[Tensor, int, torch.Generator], Tensor]
"""A function of row numbers, a number of points and a generator that returns their points."""


@runtime_checkable
class Solver(Protocol):
    """Finds points for the latents of one class."""

    def __call__(self, latents: Tensor, num_points: int, *, generator: torch.Generator) -> Tensor:
        """Return at most `num_points` points for latents `[n, dim]` of any float type.

        There are at least as many latents as points.
        """
        ...


@runtime_checkable
class Batched(Protocol):
    """A solver that solves several classes at once, which keeps a GPU busy.

    It computes on the device of its latents. Other solvers get their latents on the CPU.
    """

    def several(
        self, classes: Sequence[Tensor], num_points: int, *, generators: Sequence[torch.Generator]
    ) -> Sequence[Tensor]:
        """Return the points of each class, as one call for each class would."""
        ...


@runtime_checkable
class Forkable(Protocol):
    """A solver that may run in forked processes, so that a CPU solves classes side by side."""

    is_fork_safe: bool
    """Whether it may. The threads of faiss and of scikit-learn may not survive a fork."""


@runtime_checkable
class Sharing(Protocol):
    """A solver that can share work between several subsets of the same latents."""

    def of_rows(self, latents: Tensor, most_points: int) -> OfRows:
        """Do the shared work, and return a function that solves subsets.

        No subset is asked for more than `most_points` points.
        """
        ...


@runtime_checkable
class Counting(Protocol):
    """A solver that counts latents while it runs, and may want masses to be made of these."""

    streaming_counts: bool
    """Whether it wants them. Such a solver is never batched."""

    def with_counts(
        self, latents: Tensor, num_points: int, *, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the points, and for how many latents each stands."""
        ...


def wants_its_counts(solver: Solver) -> bool:
    """Whether masses are to be made of the solver's own counts."""
    return isinstance(solver, Counting) and solver.streaming_counts


def is_fork_safe(solver: Solver) -> bool:
    """Whether classes may be solved side by side in forked processes."""
    return isinstance(solver, Forkable) and solver.is_fork_safe
