"""Hartigan's moves on a CPU, one class at a time: the rounds of `hartigan`, by numpy.

A round is some forty operations on small arrays, and numpy starts three of them while torch starts
one.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from ddoq.quantize.partition import Partition


class Member:
    """The cells of one member of a partition, whose labels and sums it changes in place."""

    def __init__(self, partition: Partition, number: int) -> None:
        self._space, self._is_even = partition.space, partition.space.is_even
        self.labels: Int[ndarray, " n"] = partition.labels[number].numpy()
        self._sums = partition.sums[number]
        self._weights: Float[ndarray, " n"] = partition.weights[number].numpy()
        self._exact_weights = self._weights.astype(np.float64)
        self.squares: Float[ndarray, " n"] = partition.squares[number].numpy()
        self._terms = np.stack([np.ones_like(self.squares), self.squares])
        num = len(self.labels)
        self._row, self._each = int(partition.owner[number]) * num, np.arange(num)
        # Kept from round to round: memory that is freed has to be faulted in again.
        self._costs, self._products = np.empty((2, *self._sums.shape), np.float32)
        self._measure()

    def _measure(self) -> None:
        num_cells = len(self._sums)
        self._spots = self.labels * len(self.labels) + self._each
        own = self._sums.numpy().ravel().take(self._spots) * self._exact_weights
        self._cell_weights = np.bincount(self.labels, self._exact_weights, num_cells)
        norms = np.bincount(self.labels, own, num_cells)
        self._inverse = np.zeros(num_cells)
        np.divide(1, self._cell_weights, out=self._inverse, where=self._cell_weights > 0)
        self._spreads = norms * self._inverse
        self.explained = float(self._spreads.sum())

    def gains(self) -> Float[ndarray, " n"]:
        """Return what the best move of each latent gains; leaves the costs of joining behind."""
        cells, weights, costs = self._cell_weights, self._weights, self._costs
        scale = cells / (cells + weights[0]) if self._is_even else np.ones_like(cells)
        slope = scale * self._inverse
        factors = np.stack([slope * self._spreads, scale], 1).astype(np.float32)
        np.matmul(factors, self._terms, out=costs)
        sums = self._sums.numpy()
        costs -= np.multiply(sums, (2 * slope).astype(np.float32)[:, None], out=self._products)
        if not self._is_even:
            wide = cells.astype(np.float32)[:, None]
            costs *= wide / (wide + weights)
        flat = costs.reshape(-1)
        own = flat.take(self._spots)
        flat[self._spots] = np.inf
        mine = cells.take(self.labels)
        rest = mine - weights
        leaving = np.zeros_like(own)
        np.divide(own.clip(0) * (mine + weights), rest, out=leaving, where=rest > 0)
        gains = leaving - costs.min(0)
        return gains if self._is_even else gains * weights

    def choose(
        self, least: Float[ndarray, " n"], most: int, cap: int
    ) -> tuple[Int[ndarray, " m"], Int[ndarray, " m"]]:
        """Return the best moves, of each cell `most` at most: latents and their new cells."""
        gains = self.gains()
        latents = (gains > least).nonzero()[0]
        latents = latents[np.argsort(-gains[latents], kind="stable")[:cap]]
        cells = self._costs.take(latents, 1).argmin(0)
        both = np.stack([self.labels[latents], cells], 1).ravel()
        order = both.argsort(kind="stable")
        ordered = both[order]
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order)) - ordered.searchsorted(ordered)
        kept = (rank < most).reshape(-1, 2).all(1)
        return latents[kept], cells[kept]

    def move(
        self, latents: Int[ndarray, " m"], before: Int[ndarray, " m"], after: Int[ndarray, " m"]
    ) -> None:
        """Move latents from cells to cells."""
        self.labels[latents] = after
        rows = self._space.rows(torch.from_numpy(latents + self._row))
        if not self._is_even:
            rows = rows * torch.from_numpy(self._weights[latents])[:, None]
        self._sums.index_add_(0, torch.from_numpy(before), rows, alpha=-1)
        self._sums.index_add_(0, torch.from_numpy(after), rows)
        self._measure()


def settle(member: Member, least: Float[ndarray, " n"], most: int, cap: int, rounds: int) -> None:
    """Make moves until none gains, by the rule of `hartigan`."""
    reached = member.explained
    for _ in range(rounds):
        latents, after = member.choose(least, most, cap)
        if len(latents) == 0:
            break
        before = member.labels[latents]
        member.move(latents, before, after)
        if member.explained <= reached:
            member.move(latents, after, before)
            if most == 1:
                break
            most = max(1, most // 4)
        reached = member.explained
