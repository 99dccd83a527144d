"""Competitive learning vector quantization: the paper's solver, for classes of any size."""

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.errors import UsageError
from ddoq.quantize import functional


class CLVQ:
    """Stream a class in chunks, moving each latent's nearest point by 1 / count towards it.

    `chunk=1, passes=1` is the algorithm as published. Memory is bounded by one chunk: the latents
    may be a memory-mapped slice of any length.
    """

    def __init__(self, *, chunk: int = 256, passes: int = 4) -> None:
        if chunk < 1 or passes < 1:
            raise UsageError(f"solver clvq: chunk={chunk}, passes={passes}", "both are at least 1")
        self.chunk, self.passes = chunk, passes

    def __call__(
        self, latents: Tensor, num_points: int, *, generator: torch.Generator
    ) -> Float[Tensor, "k dim"]:
        """Return the points after all passes, each in a new random order."""
        points, counts, center = torch.empty(0), torch.empty(0), torch.empty(0)
        for number in range(self.passes):
            order = torch.randperm(len(latents), generator=generator)
            # Sorted within a chunk: the reads run forward through the file.
            chunks = [rows.sort().values for rows in order.split(self.chunk)]
            if number == 0:
                sample = order[: max(self.chunk, 4 * num_points)].sort().values
                start = latents[sample].float()
                center = start.mean(0)
                points = functional.plus_plus(start - center, num_points, generator)
                counts = torch.zeros(num_points, dtype=torch.int64)
            for rows in chunks:
                chunk = latents[rows].float() - center
                points, counts = functional.running_means(chunk, points, counts)
        return points + center
