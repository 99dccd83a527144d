"""Partitions of latents into cells, and Lloyd's iterations on them, by inner products alone.

A point is the weighted mean of its cell, so a partition determines the points, and

    |x_i - z_k|^2 = G_ii - 2 S_ki / W_k + Q_k / W_k^2

where S_ki is the inner product of cell k's weighted sum with latent i, W_k the cell's weight and
Q_k the squared norm of its sum. The distortion is (sum_i w_i G_ii - sum_k Q_k / W_k) / sum_i w_i.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ddoq.quantize.space import Space

# Gains below this share of the mean squared norm are rounding errors.
_LEAST_GAIN = 1e-6


@dataclass
class Partition:
    """The cells of one or more classes with several restarts each, flattened to a batch.

    Latents and cells are numbered over the whole batch, which saves small operations: latent i of
    member b is b * n + i, and its cell k is b * num_points + k.
    """

    space: Space
    owner: Int[Tensor, " batch"]
    """The class of each member of the batch."""
    labels: Int[Tensor, "batch n"]
    sums: Float[Tensor, "batch k n"]

    def __post_init__(self) -> None:
        self.weights, self.squares = self.space.weights[self.owner], self.space.squares[self.owner]
        each = torch.arange(self.labels.shape[1], device=self.labels.device)
        self._rows = (self.owner[:, None] * len(each) + each).flatten()
        self._exact_weights = self.weights.double()
        self.recount()

    @classmethod
    def of(
        cls, space: Space, labels: Int[Tensor, "classes restarts n"], num_points: int
    ) -> "Partition":
        """Make a partition of the cell of each latent."""
        num_classes, restarts, num = labels.shape
        owner = torch.arange(num_classes, device=labels.device).repeat_interleave(restarts)
        flat = labels.reshape(-1, num).clone()
        return cls(space, owner, flat, _sums(space, flat, num_points))

    def recount(self) -> None:
        """Update everything that follows from labels and sums after these were changed in place."""
        members = torch.arange(len(self.labels), device=self.labels.device)[:, None]
        self.homes = (self.labels + members * self.num_points).flatten()
        """The cell of each latent, both numbered over the batch."""
        self._measure()

    def _measure(self) -> None:
        own = self.sums.gather(1, self.labels[:, None])[:, 0]
        zero = torch.zeros(self.sums.shape[:2], dtype=torch.float64, device=own.device)
        self.cell_weights = zero.scatter_add(1, self.labels, self._exact_weights)
        """The weight of each cell, in float64."""
        self.norms = zero.scatter_add_(1, self.labels, self._exact_weights * own)
        """The squared norm of each cell's sum."""
        self.inverse_weights = torch.where(self.cell_weights > 0, 1 / self.cell_weights, 0.0)
        """One over the weight of each cell, 0 for an empty one."""

    @property
    def num_points(self) -> int:
        """The number of cells, empty ones included."""
        return self.sums.shape[1]

    @property
    def explained(self) -> Float[Tensor, " batch"]:
        """The part of the weighted sum of squared norms that the points explain."""
        return (self.norms * self.inverse_weights).sum(1)

    @property
    def distortions(self) -> Float[Tensor, " batch"]:
        """The weighted mean squared distance of the latents to the means of their cells."""
        weights = self._exact_weights
        spread = (weights * self.squares).sum(1)
        return ((spread - self.explained) / weights.sum(1)).clamp_min(0)

    def best(self, num: int = 1) -> "Partition":
        """Return the `num` restarts of each class with the least distortion."""
        num_classes = len(self.space.squares)
        each = self.distortions.view(num_classes, -1)
        start = torch.arange(num_classes, device=each.device)[:, None] * each.shape[1]
        kept = (each.topk(num, largest=False).indices + start).flatten()
        return Partition(self.space, self.owner[kept], self.labels[kept], self.sums[kept])

    def means(self, latents: Float[Tensor, "classes n dim"]) -> Float[Tensor, "classes k dim"]:
        """Return the mean of each cell for one partition per class; an empty cell gives zero."""
        num_classes, _, dim = latents.shape
        cells = self.labels + self.num_points * self.owner[:, None]
        rows = latents if self.space.is_even else latents * self.weights[:, :, None]
        sums = latents.new_zeros(num_classes * self.num_points, dim)
        sums.index_add_(0, cells.flatten(), rows.reshape(-1, dim))
        means = sums.view(num_classes, self.num_points, dim)
        return means * self.inverse_weights.float()[:, :, None]

    def distances(
        self, terms: Float[Tensor, "batch 2 n"], scale: Float[Tensor, "batch k"] | None = None
    ) -> Float[Tensor, "batch k n"]:
        """Return the squared distance of every latent to every mean, times the cell's scale.

        Args:
            terms: A row of ones and a row of the latents' squared norms.
            scale: 1 if None. The mean of an empty cell is taken to be the origin.
        """
        inverse = self.inverse_weights
        if scale is None:
            scale = torch.ones_like(inverse)
        slope = scale * inverse
        factors = torch.stack([slope * self.norms * inverse, scale], 2)
        products = self.sums * (-2 * slope).float()[:, :, None]
        # One pass over the matrix instead of two.
        return products.baddbmm_(factors.float(), terms)

    def relabel(self, latents: Int[Tensor, " m"], cells: Int[Tensor, " m"]) -> None:
        """Move some latents to other cells."""
        before = self.homes.index_select(0, latents)
        self.homes.index_copy_(0, latents, cells)
        self.labels.view(-1).index_copy_(0, latents, cells % self.num_points)
        if len(latents) > self.space.most_shifts(self.num_points) * len(self.labels):
            self.sums = _sums(self.space, self.labels, self.num_points)
        else:
            self._shift(latents, before, cells)
        self._measure()

    def _shift(self, latents: Tensor, before: Tensor, after: Tensor) -> None:
        rows = self.space.rows(self._rows.index_select(0, latents))
        if not self.space.is_even:
            rows = rows * self.weights.view(-1, 1).index_select(0, latents)
        flat = self.sums.view(-1, self.sums.shape[2])
        flat.index_add_(0, before, rows, alpha=-1)
        flat.index_add_(0, after, rows)


def _sums(
    space: Space, labels: Int[Tensor, "batch n"], num_points: int
) -> Float[Tensor, "batch k n"]:
    """Return the sums of every restart's cells, for one restart of all classes at a time."""
    by_class = labels.view(len(space.squares), -1, labels.shape[1])
    sums = [space.sums(by_class[:, r], num_points) for r in range(by_class.shape[1])]
    return torch.stack(sums, 1).flatten(0, 1) if len(sums) > 1 else sums[0]


def cheapest(costs: Float[Tensor, "batch k n"], latents: Int[Tensor, " m"]) -> Int[Tensor, " m"]:
    """Return the cheapest cell of each given latent. For few latents this beats a full argmin."""
    num_points, num = costs.shape[1:]
    batch = latents // num
    columns = costs[batch, :, latents - batch * num]
    return columns.argmin(1).add_(batch, alpha=num_points)


def lloyd(partition: Partition, *, max_iterations: int) -> None:
    """Move every latent to its nearest mean until none moves (Lloyd 1982).

    A cell that has lost all its latents takes the latent farthest from its mean, which never raises
    the distortion.
    """
    # A latent changes cells only if the other mean is nearer by more than rounding.
    slack = 1e-6 * partition.squares
    terms = torch.stack([torch.ones_like(slack), partition.squares], 1)
    for _ in range(max_iterations):
        is_empty = partition.cell_weights <= 0
        distances = partition.distances(terms)
        own = distances.gather(1, partition.labels[:, None])[:, 0]
        if bool(is_empty.any()):
            _fill(partition, is_empty, own)
            distances = partition.distances(terms)
            distances.masked_fill_((partition.cell_weights <= 0)[:, :, None], torch.inf)
            own = distances.gather(1, partition.labels[:, None])[:, 0]
        moves = (distances.amin(1) < own - slack) & (partition.weights > 0)
        latents = moves.view(-1).nonzero().view(-1)
        if len(latents) == 0:
            break
        partition.relabel(latents, cheapest(distances, latents))


def _fill(
    partition: Partition, is_empty: Bool[Tensor, "batch k"], own: Float[Tensor, "batch n"]
) -> None:
    far = own * partition.weights
    least = _LEAST_GAIN * (partition.squares * partition.weights).amax(1)
    for b in is_empty.any(1).nonzero().flatten().tolist():
        empty = is_empty[b].nonzero().flatten()
        most = far[b].topk(min(len(empty), far.shape[1]))
        taken = most.indices[most.values > least[b]]
        if len(taken):
            latents, cells = taken + b * far.shape[1], empty[: len(taken)]
            partition.relabel(latents, cells + b * partition.num_points)
