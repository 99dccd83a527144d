"""Hartigan's moves on a CPU: the rounds of `hartigan` by numpy, one class at a time.

A round consists of about forty operations on small arrays. numpy starts three of them in the time
that torch takes to start one.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from ddoq.quantize.partition import Partition


class Member:
    """One member of a partition; moves change the partition's labels and sums in place."""

    def __init__(self, partition: Partition, number: int) -> None:
        self._space, self._is_even = partition.space, partition.space.is_even
        self.labels: Int[ndarray, " n"] = partition.labels[number].numpy()
        self._sums = partition.sums[number]
        self._weights: Float[ndarray, " n"] = partition.weights[number].numpy()
        self.squares: Float[ndarray, " n"] = partition.squares[number].numpy()
        num, num_cells = len(self.labels), len(self._sums)
        self._row, each = int(partition.owner[number]) * num, np.arange(num)
        self._spots = self.labels * num + each
        # Buffers are kept from round to round, as freed memory would have to be faulted in again.
        self._costs, self._products = np.empty((2, num_cells, num), np.float32)
        self._factors = np.empty((num_cells, 2), np.float32)
        self._terms = np.stack([np.ones_like(self.squares), self.squares])
        self._own = np.zeros(num, np.float32)
        self._touched = np.ones(num_cells, bool)
        self._measure()

    def _measure(self) -> None:
        weights = None if self._is_even else self._weights
        own = self._sums.numpy().reshape(-1).take(self._spots)
        own = own if weights is None else own * weights
        num_cells = len(self._sums)
        self._cell_weights = np.bincount(self.labels, weights, num_cells).astype(np.float64)
        norms = np.bincount(self.labels, own, num_cells)
        self._inverse = np.divide(
            1, self._cell_weights, out=np.zeros(num_cells), where=self._cell_weights > 0
        )
        self._spreads = norms * self._inverse
        self.explained = float(self._spreads.sum())

    def _update_costs(self) -> None:
        """Write the cost of joining each cell for each latent; for its own cell it is infinite.

        The costs of a cell change only if the last round touched it.
        """
        cells, costs = self._cell_weights, self._costs
        scale = cells / (cells + self._weights[0]) if self._is_even else np.ones_like(cells)
        slope = scale * self._inverse
        self._factors[:, 0], self._factors[:, 1] = slope * self._spreads, scale
        sums, slope = self._sums.numpy(), (2 * slope).astype(np.float32)[:, None]
        touched = self._touched.nonzero()[0]
        if self._is_even and 2 * len(touched) < len(sums):
            costs[touched] = self._factors[touched] @ self._terms - slope[touched] * sums[touched]
        else:
            np.matmul(self._factors, self._terms, out=costs)
            costs -= np.multiply(sums, slope, out=self._products)
        if not self._is_even:
            wide = cells.astype(np.float32)[:, None]
            costs *= wide / (wide + self._weights)

    def gains(self) -> Float[ndarray, " n"]:
        """Return the gain of each latent's best move; the costs of joining are updated first."""
        self._update_costs()
        costs = self._costs.reshape(-1)
        own = costs.take(self._spots)
        # A cost that was not updated is still infinite; then the last finite one holds.
        np.copyto(self._own, own.clip(0), where=own < np.inf)
        costs[self._spots] = np.inf
        if self._is_even:
            sparing = _sparing(self._cell_weights, self._weights[0]).take(self.labels)
        else:
            sparing = _sparing(self._cell_weights.take(self.labels), self._weights)
        gains = self._own * sparing - self._costs.min(0)
        return gains if self._is_even else gains * self._weights

    def choose(
        self, least: Float[ndarray, " n"], most: int, cap: int
    ) -> tuple[Int[ndarray, " m"], Int[ndarray, " m"]]:
        """Return the best moves, at most `most` per cell, as latents and their new cells."""
        gains = self.gains()
        latents = (gains > least).nonzero()[0]
        latents = latents[np.argsort(-gains[latents], kind="stable")[:cap]]
        cells = self._costs.take(latents, 1).argmin(0)
        both = np.empty((len(latents), 2), np.int64)
        both[:, 0], both[:, 1] = self.labels[latents], cells
        order = both.ravel().argsort(kind="stable")
        ordered = both.ravel()[order]
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order)) - ordered.searchsorted(ordered)
        kept = (rank < most).reshape(-1, 2).all(1)
        return latents[kept], cells[kept]

    def move(
        self, latents: Int[ndarray, " m"], before: Int[ndarray, " m"], after: Int[ndarray, " m"]
    ) -> None:
        """Move latents from their cells before to those after."""
        self.labels[latents] = after
        self._spots[latents] = after * len(self.labels) + latents
        self._touched[:] = False
        self._touched[before] = self._touched[after] = True
        rows = self._space.rows(torch.from_numpy(latents + self._row))
        if not self._is_even:
            rows = rows * torch.from_numpy(self._weights[latents])[:, None]
        self._sums.index_add_(0, torch.from_numpy(before), rows, alpha=-1)
        self._sums.index_add_(0, torch.from_numpy(after), rows)
        self._measure()


def _sparing(
    cells: Float[ndarray, " m"], weights: Float[ndarray, " m"] | np.float32
) -> Float[ndarray, " m"]:
    """Return the ratio of what a latent saves by leaving to what rejoining would cost it.

    A latent alone in its cell saves nothing.
    """
    rest = cells - weights
    return np.divide(cells + weights, rest, out=np.zeros_like(cells), where=rest > 0)


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
