"""Shrinkage of points towards the class mean, as means of few latents are noisy.

A point is the mean of n_k latents that were chosen to lie close to it; unseen latents of the class
lie farther away. In each principal direction j of the class, with variance b_j between the cells
and w_j within them, the best linear estimate of a cell's true mean is

    z <- m + sum_j  n_k b_j / (n_k b_j + strength w_j)  <z - m, e_j> e_j

(empirical Bayes; exact for strength 1 and normal cells. As latents are chosen for their closeness,
a greater strength is better). `mean` takes b_j = w_j, which is the same factor
n_k / (n_k + strength) in all directions.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Towards = Literal["none", "mean", "directions"]
STRENGTHS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# Directions with less than this share of the largest variance are rounding errors.
_LEAST = 1e-6


@dataclass(frozen=True)
class Frame:
    """The principal directions of a class's latents."""

    center: Float[Tensor, " dim"]
    directions: Float[Tensor, "dim r"]
    variances: Float[Tensor, " r"]
    num_latents: int

    @classmethod
    def of(cls, latents: Float[Tensor, "n dim"]) -> "Frame":
        """Find the directions in which the latents vary."""
        x = latents.float()
        center = x.double().mean(0).float()
        x = x - center
        is_wide = x.shape[0] < x.shape[1]
        squares, vectors = torch.linalg.eigh(x @ x.T if is_wide else x.T @ x)
        kept = squares > _LEAST * squares[-1].clamp_min(1e-30)
        squares, vectors = squares[kept], vectors[:, kept]
        directions = x.T @ (vectors / squares.sqrt()) if is_wide else vectors
        return cls(center, directions, squares / len(x), len(x))

    def coordinates(self, x: Float[Tensor, "m dim"]) -> Float[Tensor, "m r"]:
        """Return the coordinates of latents or points along the directions."""
        return (x.float() - self.center) @ self.directions

    def steps(self, coordinates: Float[Tensor, "m r"]) -> Float[Tensor, "m dim"]:
        """Return the vectors that have these coordinates."""
        return coordinates @ self.directions.T


def factors(
    frame: Frame,
    points: Float[Tensor, "k r"],
    counts: Float[Tensor, " k"],
    *,
    towards: Towards,
    strength: float,
) -> Float[Tensor, "k r"]:
    """Return the factor of each coordinate of points that stand for `counts` latents."""
    num = counts.to(points)[:, None]
    if towards == "none" or strength == 0:
        return torch.ones_like(points)
    if towards == "mean":
        return (num / (num + strength)).expand_as(points)
    # The variance of the means is the variance between the cells. The rest is the variance within,
    # less a share that the choice of the means has taken.
    taken = (num * points.square()).sum(0) / frame.num_latents
    free = max(1.0, float(frame.num_latents - (counts > 0).sum()))
    within = (frame.variances - taken).clamp_min(0) * (frame.num_latents / free)
    between = (frame.variances - within).clamp_min(0)
    remains = num * between / (num * between + strength * within).clamp_min(1e-30)
    # There is nothing to shrink where there is no variance within the cells, or none between them.
    return torch.where(within > 0, remains, 1.0)


def shrink(
    latents: Float[Tensor, "n dim"],
    points: Float[Tensor, "k dim"],
    counts: Float[Tensor, " k"],
    *,
    towards: Towards,
    strength: float,
) -> Float[Tensor, "k dim"]:
    """Return the points shrunk towards the class mean, the more the fewer latents they have."""
    if towards == "none" or strength == 0 or len(latents) == 0:
        return points
    if towards == "mean":
        center = latents.float().double().mean(0).to(points)
        num = counts.to(points)[:, None]
        return center + num / (num + strength) * (points - center)
    frame = Frame.of(latents)
    inside = frame.coordinates(points)
    remains = factors(frame, inside, counts, towards=towards, strength=strength)
    # Only the change is added, as weak directions are known to a few digits only.
    return points - frame.steps(inside * (1 - remains))
