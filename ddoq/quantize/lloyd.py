"""Converged k-means: the solver whose points are a fixpoint, so that its masses are optimal."""

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.errors import UsageError
from ddoq.quantize import functional


class Lloyd:
    """Greedy k-means++ and Lloyd's iterations to the fixpoint; the best of several restarts."""

    def __init__(self, *, restarts: int = 8, max_iterations: int = 300) -> None:
        if restarts < 1 or max_iterations < 1:
            raise UsageError(
                f"solver lloyd: restarts={restarts}, max_iterations={max_iterations}",
                "both are at least 1",
            )
        self.restarts, self.max_iterations = restarts, max_iterations

    def __call__(
        self, latents: Tensor, num_points: int, *, generator: torch.Generator
    ) -> Float[Tensor, "k dim"]:
        """Return the points of the restart with the least distortion."""
        x = latents.float()
        center = x.double().mean(0).float()
        x = x - center
        best, least = x[:num_points], float("inf")
        # At K = 1 every start ends in the mean.
        for _ in range(1 if num_points == 1 else self.restarts):
            start = functional.plus_plus(x, num_points, generator)
            points = functional.lloyd(x, start, max_iterations=self.max_iterations)
            distortion = float(functional.assign(x, points)[1].double().mean())
            if distortion < least:
                best, least = points, distortion
        return best + center
