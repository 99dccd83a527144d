"""Greedy k-means++ on inner products, for many restarts at once: where iterations start."""

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from ddoq.quantize.space import Space

# A spot that is rounded up to 1 would fall behind the last latent that has a chance.
_BELOW_ONE = 1 - 2.0**-20


def plus_plus(
    space: Space, num_points: int, *, restarts: int, generators: list[torch.Generator]
) -> Int[Tensor, "classes restarts n"]:
    """Return the cells around starting latents (Arthur and Vassilvitskii 2007, greedy).

    Each new start is the best of 2 + floor(log K) latents, drawn with probability proportional to
    their weighted squared distance to the starts so far. A class draws from its own generator.
    """
    device = space.squares.device
    candidates = 2 + int(math.log(num_points))
    spots = torch.stack(
        [torch.rand(num_points, restarts, candidates, generator=g) for g in generators], dim=1
    )
    spots = (spots.flatten(1, 2) * _BELOW_ONE).to(device)
    owner = torch.arange(len(generators), device=device).repeat_interleave(restarts)
    grow = one_by_one if device.type == "cpu" else all_at_once
    return grow(space, owner, spots).view(len(generators), restarts, -1)


def all_at_once(
    space: Space, owner: Int[Tensor, " batch"], spots: Float[Tensor, "k batch m"]
) -> Int[Tensor, "batch n"]:
    """Return the cells of a whole batch by torch, as suits a GPU: one start of each at a time."""
    num = space.squares.shape[1]
    squares, weights = space.squares[owner], space.weights[owner]
    each, first = torch.arange(len(owner), device=owner.device), owner[:, None] * num

    def less_squares(index: Int[Tensor, "b m"]) -> Float[Tensor, "b m n"]:
        """Return squared distances less the latents' squared norms, which saves an addition."""
        products = space.rows((index + first).view(-1)).view(*index.shape, num)
        return torch.sub(squares.gather(1, index)[:, :, None], products, alpha=2)

    near = less_squares(_drawn(weights, spots[0, :, :1]))[:, 0]
    cells = torch.zeros(len(owner), num, dtype=torch.int64, device=owner.device)
    for k in range(1, len(spots)):
        chances = (near + squares).clamp_min_(0)
        drawn = _drawn(chances if space.is_even else chances.mul_(weights), spots[k])
        least = torch.minimum(less_squares(drawn), near[:, None])
        best = (least if space.is_even else least * weights[:, None]).sum(2).argmin(1)
        nearer = least[each, best]
        cells.masked_fill_(nearer < near, k)
        near = nearer
    return cells


def _drawn(chances: Float[Tensor, "b n"], spots: Float[Tensor, "b m"]) -> Int[Tensor, "b m"]:
    """Draw indices with probability proportional to `chances`, never one of chance 0.

    If all chances are 0, the last index is drawn. It is no nearer to anything, so cells stay.
    """
    cumulative = chances.cumsum(1)
    spots = spots * cumulative[:, -1:]
    return torch.searchsorted(cumulative, spots, right=True).clamp_max_(chances.shape[1] - 1)


def one_by_one(
    space: Space, owner: Int[Tensor, " batch"], spots: Float[Tensor, "k batch m"]
) -> Int[Tensor, "batch n"]:
    """Return the cells of one member after another, by numpy, which starts operations faster."""
    cells = [_grown(space, label, spots[:, b].numpy()) for b, label in enumerate(owner.tolist())]
    return torch.from_numpy(np.stack(cells))


def _grown(space: Space, label: int, spots: Float[ndarray, "k m"]) -> Int[ndarray, " n"]:
    squares, weights = space.squares[label].numpy(), space.weights[label].numpy()
    num = len(squares)

    def less_squares(index: Int[ndarray, " m"]) -> Float[ndarray, "m n"]:
        rows = space.rows(torch.from_numpy(index + label * num)).numpy()
        return squares[index, None] - 2 * rows

    def drawn(chances: Float[ndarray, " n"], spots: Float[ndarray, " m"]) -> Int[ndarray, " m"]:
        cumulative = chances.cumsum()
        return np.minimum(cumulative.searchsorted(spots * cumulative[-1], "right"), num - 1)

    near = less_squares(drawn(weights, spots[0, :1]))[0]
    cells = np.zeros(num, np.int64)
    for k in range(1, len(spots)):
        chances = (near + squares).clip(0)
        trial = less_squares(drawn(chances if space.is_even else chances * weights, spots[k]))
        least = np.minimum(trial, near, out=trial)
        best = (least.sum(1) if space.is_even else least @ weights).argmin()
        cells[least[best] < near] = k
        near = least[best]
    return cells
