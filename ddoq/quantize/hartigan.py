"""Hartigan's moves: single latents change cells while that lowers the distortion.

Moving x_i from cell a to cell b gains

    w_i W_a / (W_a - w_i) |x_i - z_a|^2 - w_i W_b / (W_b + w_i) |x_i - z_b|^2

(Hartigan 1975). Unlike Lloyd's rule, this counts that both means move. Every fixpoint of Hartigan's
moves is therefore a fixpoint of Lloyd's iterations, but not the other way round: there are fewer,
and they are better.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ddoq.quantize.hartigan_cpu import Member, settle
from ddoq.quantize.partition import Partition, cheapest

# A move must gain this share of the median squared norm, times the number of latents: smaller gains
# together are not worth a round. Gains below the lower limit are rounding errors.
_LEAST_GAIN, _LOWER, _UPPER = 1e-7, 1e-6, 1e-4
# In the first round a cell may gain or lose this share of a mean cell.
_SHARE = 0.5
# A round looks at the most promising latents only.
_MOST = 400


def hartigan(partition: Partition, *, max_rounds: int = 10_000) -> None:
    """Make moves until none gains.

    A round makes the best moves of all cells at once. Moves that share a cell change each other's
    gains. If a round does not lower the distortion, it is taken back and the number of moves per
    cell is quartered. With one move per cell the gains add up exactly; if such a round does not
    lower the distortion, the remaining gains are rounding errors.
    """
    if partition.labels.device.type == "cpu":
        one_by_one(partition, max_rounds)
    else:
        all_at_once(partition, max_rounds)


def one_by_one(partition: Partition, max_rounds: int) -> None:
    """Make the moves of one class after another, by numpy."""
    least = least_gains(partition).numpy()
    for number in range(len(least)):
        settle(Member(partition, number), least[number], most_moves(partition), _MOST, max_rounds)
    partition.recount()


def all_at_once(partition: Partition, max_rounds: int) -> None:
    """Make the moves of a whole batch in common rounds, by torch, as suits a GPU."""
    moves = _Moves(partition)
    reached = partition.explained
    for _ in range(max_rounds):
        latents, cells = moves.choose()
        if len(latents) == 0:
            break
        before = partition.homes.index_select(0, latents)
        partition.relabel(latents, cells)
        explained = partition.explained
        failed = explained <= reached
        if bool(failed.any()):
            batch = latents // partition.labels.shape[1]
            failed &= torch.zeros_like(failed).index_fill_(0, batch, value=True)
            undo = failed[batch]
            partition.relabel(latents[undo], before[undo])
            moves.slow(failed)
            explained = partition.explained
        reached = explained


def least_gains(partition: Partition) -> Float[Tensor, "batch n"]:
    """Return the least gain for which a latent is moved.

    It is 1e-7 of the number of latents times their median squared norm, but never below 1e-6 or
    above 1e-4 of that norm. What is left then lowers the distortion by no more per move.
    """
    share = min(max(_LEAST_GAIN * partition.labels.shape[1], _LOWER), _UPPER)
    # The median, so that one far latent does not keep the others from moving.
    real = partition.squares.masked_fill(partition.weights <= 0, torch.nan)
    return (share * real.nanmedian(1).values)[:, None] * partition.weights


def most_moves(partition: Partition) -> int:
    """Return how many latents a cell may gain or lose in the first round."""
    return max(1, int(_SHARE * partition.labels.shape[1] / partition.num_points))


class _Moves:
    """The possible moves of a partition, and how many of them a round may make."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._weights, self._squares = partition.weights, partition.squares
        self._is_even = bool((self._weights == self._weights[:, :1]).all())
        self._least = least_gains(partition)
        self._terms = torch.stack([torch.ones_like(self._squares), self._squares], 1)
        self.most = torch.full_like(self._least[:, 0], most_moves(partition))

    def slow(self, failed: Bool[Tensor, " batch"]) -> None:
        """Allow fewer moves per round, or none if there was only one per cell."""
        self._least[failed & (self.most == 1)] = torch.inf
        self.most[failed] = (self.most[failed] / 4).floor().clamp_min(1)

    def _costs(self) -> tuple[Float[Tensor, "batch n"], Float[Tensor, "batch k n"]]:
        """Return what each latent saves by leaving its cell, and the cost of joining any other.

        Joining an empty cell costs nothing. A latent alone in its cell has nothing to gain.
        """
        p, weights = self._partition, self._weights
        cells = p.cell_weights
        if self._is_even:
            costs = p.distances(self._terms, cells / (cells + weights[:, :1]))
        else:
            cells = cells.float()[:, :, None]
            costs = p.distances(self._terms).mul_(cells / (cells + weights[:, None]))
        own_cell = p.labels[:, None]
        # Joining costs |x - z|^2 W / (W + w); leaving saves (W + w) / (W - w) times as much.
        own = costs.gather(1, own_cell)[:, 0].clamp_min_(0)
        mine = p.cell_weights.float().gather(1, p.labels)
        rest = mine - weights
        leaving = torch.where(rest > 0, own * (mine + weights) / rest, 0.0)
        return leaving, costs.scatter_(1, own_cell, torch.inf)

    def choose(self) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
        """Return this round's moves: latents and their new cells, both numbered over the batch."""
        p = self._partition
        leaving, costs = self._costs()
        gains = leaving.sub_(costs.amin(1))
        if not p.space.is_even:
            gains.mul_(self._weights)
        latents = (gains > self._least).view(-1).nonzero().view(-1)
        order = gains.view(-1).index_select(0, latents).argsort(descending=True, stable=True)
        latents = latents.index_select(0, order[: _MOST * len(p.labels)])
        cells = cheapest(costs, latents)
        both = torch.stack([p.homes.index_select(0, latents), cells], 1)
        rank = _rank_within(both.view(-1)).view(-1, 2)
        most = self.most.index_select(0, latents // p.labels.shape[1])
        kept = (rank.amax(1) < most).nonzero().view(-1)
        return latents.index_select(0, kept), cells.index_select(0, kept)


def _rank_within(groups: Int[Tensor, " m"]) -> Int[Tensor, " m"]:
    """Return the number of earlier entries of the same group."""
    ordered, order = groups.sort(stable=True)
    place = torch.arange(len(groups), device=groups.device)
    return torch.empty_like(groups).index_copy_(
        0, order, place - torch.searchsorted(ordered, ordered)
    )
