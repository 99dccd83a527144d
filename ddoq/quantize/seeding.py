"""Where do the iterations start? Greedy k-means++ on inner products, many restarts at once."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.quantize.space import Space


def plus_plus(
    space: Space, num_points: int, *, restarts: int, generators: list[torch.Generator]
) -> Int[Tensor, "classes restarts n"]:
    """Return the cells around starting latents (Arthur and Vassilvitskii 2007, greedy).

    Each new start is the best of 2 + floor(log K) latents, drawn with probability proportional to
    their weighted squared distance to the starts so far. A class draws from its own generator.
    """
    num_classes, num = space.squares.shape
    device = space.squares.device
    batch = num_classes * restarts
    owner = torch.arange(num_classes, device=device).repeat_interleave(restarts)
    candidates = 2 + int(math.log(num_points))
    spots = torch.stack(
        [torch.rand(num_points, restarts, candidates, generator=g) for g in generators], dim=1
    )
    spots = spots.view(num_points, batch, candidates).to(device)
    squares, weights = space.squares[owner], space.weights[owner]
    each = torch.arange(batch, device=device)
    start = owner[:, None] * num

    def less_squares(index: Int[Tensor, "b m"]) -> Float[Tensor, "b m n"]:
        """Return squared distances less the latents' own squared norms: spares an addition."""
        products = space.rows((index + start).view(-1)).view(*index.shape, num)
        return torch.sub(squares.gather(1, index)[:, :, None], products, alpha=2)

    near = less_squares(_draw(weights, spots[0, :, :1]))[:, 0]
    cells = torch.zeros(batch, num, dtype=torch.int64, device=device)
    for k in range(1, num_points):
        chances = (near + squares).clamp_min_(0)
        drawn = _draw(chances if space.is_even else chances.mul_(weights), spots[k])
        least = torch.minimum(less_squares(drawn), near[:, None])
        best = (least if space.is_even else least * weights[:, None]).sum(2).argmin(1)
        nearer = least[each, best]
        cells.masked_fill_(nearer < near, k)
        near = nearer
    return cells.view(num_classes, restarts, num)


def _draw(chances: Float[Tensor, "b n"], spots: Float[Tensor, "b m"]) -> Int[Tensor, "b m"]:
    """Draw indices with probability proportional to `chances`, never one of chance 0.

    Unless all chances are: then it is the last index, which is no nearer to anything.
    """
    cumulative = chances.cumsum(1)
    # Rounded up, a spot would fall behind the last latent that has a chance.
    spots = spots * (cumulative[:, -1:] * (1 - 2.0**-20))
    return torch.searchsorted(cumulative, spots, right=True).clamp_max_(chances.shape[1] - 1)
