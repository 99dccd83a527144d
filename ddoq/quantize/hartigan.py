"""Hartigan's moves: single latents change cells while that lowers the distortion.

Moving x_i from cell a to cell b gains

    w_i W_a / (W_a - w_i) |x_i - z_a|^2 - w_i W_b / (W_b + w_i) |x_i - z_b|^2

(Hartigan 1975). Unlike Lloyd's rule it counts that both means move, so every fixpoint of it is one
of Lloyd's, but not the other way round: the fewer, better ones.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ddoq.quantize.partition import Partition, cell_of

# A gain below this share of the median squared norm is rounding.
_LEAST_GAIN = 1e-6
# A cell may at first gain or lose this share of a mean cell in one round.
_SHARE = 0.5
# A round looks at the most promising latents only.
_MOST = 400


def hartigan(partition: Partition, *, max_rounds: int = 10_000) -> None:
    """Make moves until none gains.

    A round makes the best moves of all cells at once. Moves that share a cell change each other's
    gains, so where a round did not lower the distortion it is taken back, and the number of moves
    per cell quartered. With one move per cell the gains add up exactly: where that does not lower
    the distortion, what is left to gain is rounding.
    """
    moves = _Moves(partition)
    reached = partition.explained
    for _ in range(max_rounds):
        batch, index, cells = moves.choose()
        if len(batch) == 0:
            break
        before = partition.labels[batch, index]
        partition.relabel(batch, index, cells)
        explained = partition.explained
        failed = explained <= reached
        if bool(failed.any()):
            failed &= torch.zeros_like(failed).index_fill_(0, batch, value=True)
            undo = failed[batch]
            partition.relabel(batch[undo], index[undo], before[undo])
            moves.slow(failed)
            explained = partition.explained
        reached = explained


class _Moves:
    """The moves that a partition could make, and how many of them a round may."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._weights, self._squares = partition.weights, partition.squares
        # One number where all latents weigh the same: broadcasting spares a division per latent.
        is_even = bool((self._weights == self._weights[:, :1]).all())
        self._joining_weights = self._weights[:, :1] if is_even else self._weights
        # The median: one far latent must not forbid the others to move.
        real = self._squares.masked_fill(self._weights <= 0, torch.nan)
        typical = real.nanmedian(1).values
        self._least = (_LEAST_GAIN * typical)[:, None] * self._weights
        self._terms = torch.stack([torch.ones_like(self._squares), self._squares], 1)
        per_cell = partition.labels.shape[1] / partition.num_points
        self.most = torch.full_like(typical, max(1, int(_SHARE * per_cell)))

    def slow(self, failed: Bool[Tensor, " batch"]) -> None:
        """Allow fewer moves per round, or none where there was but one per cell."""
        self._least[failed & (self.most == 1)] = torch.inf
        self.most[failed] = (self.most[failed] / 4).floor().clamp_min(1)

    def _costs(self) -> tuple[Float[Tensor, "batch n"], Float[Tensor, "batch k n"]]:
        """Return what leaving its cell spares each latent, and what joining every other costs."""
        p = self._partition
        cells, own_cell = p.cell_weights.float(), p.labels[:, None]
        distances = p.distances(self._terms)
        own = distances.gather(1, own_cell)[:, 0].clamp_min_(0)
        mine = cells.gather(1, p.labels)
        rest = mine - self._weights
        # A latent alone in its cell has nothing to gain; an empty cell costs nothing to join.
        leaving = torch.where(rest > 0, own * mine / rest, 0.0)
        joining = cells[:, :, None] / (cells[:, :, None] + self._joining_weights[:, None])
        distances.mul_(joining).scatter_(1, own_cell, torch.inf)
        return leaving, distances

    def choose(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return this round's moves: member of the batch, latent, new cell."""
        p = self._partition
        leaving, costs = self._costs()
        least = costs.amin(1)
        gains = (leaving - least) * self._weights
        batch, index = (gains > self._least).nonzero(as_tuple=True)
        order = gains[batch, index].argsort(descending=True, stable=True)[: _MOST * len(p.labels)]
        batch, index = batch[order], index[order]
        cells = cell_of(costs, batch, index, least[batch, index])
        start = batch * p.num_points
        both = torch.stack([start + p.labels[batch, index], start + cells], 1)
        rank = _rank_within(both.flatten(), p.norms.numel()).view(-1, 2)
        fits = (rank < self.most[batch][:, None]).all(1)
        return batch[fits], index[fits], cells[fits]


def _rank_within(groups: Int[Tensor, " m"], num_groups: int) -> Int[Tensor, " m"]:
    """Return how many earlier entries are of the same group."""
    order = groups.argsort(stable=True)
    counts = torch.bincount(groups, minlength=num_groups)
    starts = counts.cumsum(0) - counts
    rank = torch.empty_like(groups)
    rank[order] = torch.arange(len(groups), device=groups.device) - starts[groups[order]]
    return rank
