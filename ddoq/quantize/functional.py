"""Optimal quantization as pure functions of latents and points.

For given points, the masses of their Voronoi cells are optimal, and the squared Wasserstein-2
distance is the distortion, the mean of min_k |z - z_k|^2. Distances are computed in float32 on
centered latents, and cell sums in float64 in the order of the data.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_CHUNK = 4096


def squared_distances(
    latents: Float[Tensor, "n dim"], points: Float[Tensor, "k dim"]
) -> Float[Tensor, "n k"]:
    """Return |z - z_k|^2 for all pairs, never below zero."""
    cross = latents @ points.T
    norms = latents.square().sum(1, keepdim=True) + points.square().sum(1)
    return (norms - 2 * cross).clamp_min_(0)


def assign(
    latents: Float[Tensor, "n dim"], points: Float[Tensor, "k dim"]
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Return each latent's nearest point and its squared distance.

    The matrix form of the distance loses digits where a latent nearly coincides with its point, so
    the distance to the nearest point is computed again from the difference.
    """
    nearest = torch.cat([squared_distances(z, points).argmin(1) for z in latents.split(_CHUNK)])
    squares = torch.cat(
        [
            (z - points[cell]).square().sum(1)
            for z, cell in zip(latents.split(_CHUNK), nearest.split(_CHUNK), strict=True)
        ]
    )
    return nearest, squares


def cell_means(
    latents: Float[Tensor, "n dim"],
    nearest: Int[Tensor, " n"],
    points: Float[Tensor, "k dim"],
) -> tuple[Float[Tensor, "k dim"], Int[Tensor, " k"]]:
    """Return the mean and count of each cell; a point with an empty cell stays where it is."""
    counts = torch.bincount(nearest, minlength=len(points))
    sums = torch.zeros(points.shape, dtype=torch.float64, device=points.device)
    sums.index_add_(0, nearest, latents.double())
    means = (sums / counts.clamp_min(1)[:, None]).to(points.dtype)
    return torch.where(counts[:, None] > 0, means, points), counts


def plus_plus(
    latents: Float[Tensor, "n dim"], num_points: int, generator: torch.Generator
) -> Float[Tensor, "k dim"]:
    """Choose starting points by greedy k-means++ (Arthur and Vassilvitskii 2007).

    Each new point is the best of 2 + log K latents drawn with probability proportional to their
    squared distance to the points so far. This version takes the head of a stream and returns
    latents; `seeding` takes the inner products of a whole class and returns cells.
    """
    num_candidates = 2 + int(torch.log(torch.tensor(float(num_points))))
    first = torch.randint(len(latents), (1,), generator=generator).to(latents.device)
    chosen = [latents[first]]
    squares = (latents - latents[first]).square().sum(1)
    for _ in range(1, num_points):
        drawn = _draw(squares, num_candidates, generator)
        trial = squared_distances(latents, latents[drawn]).minimum(squares[:, None])
        best = trial.double().sum(0).argmin()
        chosen.append(latents[drawn[best]][None])
        squares = trial[:, best]
    return torch.cat(chosen)


def _draw(
    squares: Float[Tensor, " n"], num: int, generator: torch.Generator
) -> Int[Tensor, " num"]:
    """Draw indices with probability proportional to `squares`, uniformly if all are zero."""
    cumulative = squares.double().cumsum(0)
    spots = torch.rand(num, generator=generator, dtype=torch.float64).to(squares.device)
    if cumulative[-1] <= 0:
        return (spots * len(squares)).long()
    return torch.searchsorted(cumulative, spots * cumulative[-1]).clamp_max(len(squares) - 1)


def running_means(
    latents: Float[Tensor, "n dim"],
    points: Float[Tensor, "k dim"],
    counts: Int[Tensor, " k"],
) -> tuple[Float[Tensor, "k dim"], Int[Tensor, " k"]]:
    """Take CLVQ's steps for a chunk of latents: z_k <- (1 - 1/v_k) z_k + z / v_k.

    While the chunk's assignment is held fixed, its 1/count steps add up to the running mean of all
    latents assigned so far. With chunks of one latent this is the algorithm as published.
    """
    nearest = squared_distances(latents, points).argmin(1)
    means, arrived = cell_means(latents, nearest, points)
    counts = counts + arrived
    share = (arrived / counts.clamp_min(1))[:, None].to(points.dtype)
    return points + share * (means - points), counts
