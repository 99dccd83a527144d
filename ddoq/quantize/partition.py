"""Latents dealt out to cells: Lloyd's iterations and Hartigan's moves, on inner products alone.

A point is the weighted mean of its cell, so a partition determines the points, and

    |x_i - z_k|^2 = G_ii - 2 S_ki / W_k + Q_k / W_k^2

with S_ki the inner product of cell k's weighted sum with latent i, W_k the cell's weight and Q_k
its sum's squared norm. The distortion is (sum_i w_i G_ii - sum_k Q_k / W_k) / sum_i w_i.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ddoq.quantize.space import Space

# A gain below this share of the mean squared norm is rounding.
_LEAST_GAIN = 1e-6


@dataclass
class Partition:
    """Cells of one or more classes, each with several restarts, flattened to a batch."""

    space: Space
    owner: Int[Tensor, " batch"]
    """The class of each member of the batch."""
    weights: Float[Tensor, "batch n"]
    squares: Float[Tensor, "batch n"]
    labels: Int[Tensor, "batch n"]
    sums: Float[Tensor, "batch k n"]
    cell_weights: Float[Tensor, "batch k"]
    norms: Float[Tensor, "batch k"]

    @classmethod
    def of(
        cls, space: Space, labels: Int[Tensor, "classes restarts n"], num_points: int
    ) -> "Partition":
        """Add up the cells of a labeling."""
        num_classes, restarts, num = labels.shape
        owner = torch.arange(num_classes, device=labels.device).repeat_interleave(restarts)
        flat = labels.reshape(-1, num)
        weights, sums = space.weights[owner], _sums(space, flat, num_points)
        cells = _cells(weights, flat, sums)
        return cls(space, owner, weights, space.squares[owner], flat, sums, *cells)

    @property
    def num_points(self) -> int:
        """The number of cells, empty ones included."""
        return self.sums.shape[1]

    @property
    def inverse_weights(self) -> Float[Tensor, "batch k"]:
        """One over the weight of each cell, 0 for an empty one."""
        return torch.where(self.cell_weights > 0, 1 / self.cell_weights, 0.0)

    @property
    def explained(self) -> Float[Tensor, " batch"]:
        """What the points explain of the weighted sum of squared norms."""
        return (self.norms * self.inverse_weights).sum(1)

    @property
    def distortions(self) -> Float[Tensor, " batch"]:
        """The weighted mean squared distance of the latents to the means of their cells."""
        weights = self.weights.double()
        spread = (weights * self.squares).sum(1)
        return ((spread - self.explained) / weights.sum(1)).clamp_min(0)

    def best(self, num: int = 1) -> "Partition":
        """Return the restarts with the least distortion of each class."""
        num_classes = len(self.space.squares)
        each = self.distortions.view(num_classes, -1)
        start = torch.arange(num_classes, device=each.device)[:, None] * each.shape[1]
        kept = (each.topk(num, largest=False).indices + start).flatten()
        return Partition(
            space=self.space,
            owner=self.owner[kept],
            weights=self.weights[kept],
            squares=self.squares[kept],
            labels=self.labels[kept],
            sums=self.sums[kept],
            cell_weights=self.cell_weights[kept],
            norms=self.norms[kept],
        )

    def means(self, latents: Float[Tensor, "classes n dim"]) -> Float[Tensor, "classes k dim"]:
        """Return the mean of each cell of one partition per class, zero for an empty one."""
        num_classes, _, dim = latents.shape
        cells = self.labels + self.num_points * self.owner[:, None]
        rows = latents if self.space.is_even else latents * self.weights[:, :, None]
        sums = latents.new_zeros(num_classes * self.num_points, dim)
        sums.index_add_(0, cells.flatten(), rows.reshape(-1, dim))
        means = sums.view(num_classes, self.num_points, dim)
        return means * self.inverse_weights.float()[:, :, None]

    def distances(self, terms: Float[Tensor, "batch 2 n"]) -> Float[Tensor, "batch k n"]:
        """Return the squared distance of every latent to every mean.

        Args:
            terms: A row of ones, and one of the latents' squared norms,.
                An empty cell's mean is taken to be the origin.
        """
        inverse = self.inverse_weights
        factors = torch.stack([self.norms * inverse * inverse, torch.ones_like(inverse)], 2)
        products = self.sums * (-2 * inverse).float()[:, :, None]
        # One pass over the matrix instead of two.
        return products.baddbmm_(factors.float(), terms)

    def relabel(self, batch: Tensor, index: Tensor, cells: Tensor) -> None:
        """Move some latents to other cells."""
        before = self.labels[batch, index]
        self.labels = self.labels.index_put((batch, index), cells)
        if len(batch) > self.space.most_shifts(self.num_points) * len(self.labels):
            self.sums = _sums(self.space, self.labels, self.num_points)
        else:
            self._shift(batch, index, before, cells)
        self.cell_weights, self.norms = _cells(self.weights, self.labels, self.sums)

    def _shift(self, batch: Tensor, index: Tensor, before: Tensor, after: Tensor) -> None:
        rows = self.space.rows(self.owner[batch], index)
        if not self.space.is_even:
            rows = rows * self.weights[batch, index][:, None]
        flat = self.sums.view(-1, self.sums.shape[2])
        start = batch * self.num_points
        flat.index_add_(0, start + before, rows, alpha=-1)
        flat.index_add_(0, start + after, rows)


def _sums(
    space: Space, labels: Int[Tensor, "batch n"], num_points: int
) -> Float[Tensor, "batch k n"]:
    """Add up every restart's cells, one restart of all classes at a time."""
    by_class = labels.view(len(space.squares), -1, labels.shape[1])
    sums = [space.sums(by_class[:, r], num_points) for r in range(by_class.shape[1])]
    return torch.stack(sums, 1).flatten(0, 1) if len(sums) > 1 else sums[0]


def _cells(
    weights: Float[Tensor, "batch n"], labels: Int[Tensor, "batch n"], sums: Tensor
) -> tuple[Float[Tensor, "batch k"], Float[Tensor, "batch k"]]:
    """Return the weight of each cell and the squared norm of its sum."""
    weights = weights.double()
    own = sums.gather(1, labels[:, None])[:, 0]
    zero = torch.zeros(sums.shape[:2], dtype=torch.float64, device=sums.device)
    return zero.scatter_add(1, labels, weights), zero.scatter_add(1, labels, weights * own)


def cell_of(
    costs: Float[Tensor, "batch k n"], batch: Tensor, index: Tensor, least: Float[Tensor, " m"]
) -> Int[Tensor, " m"]:
    """Return the first cell that attains the least cost: far faster than argmin over all."""
    columns = costs[batch, :, index]
    cells = torch.arange(costs.shape[1], device=costs.device)
    return torch.where(columns == least[:, None], cells, costs.shape[1]).amin(1)


def lloyd(partition: Partition, *, max_iterations: int) -> None:
    """Move every latent to its nearest mean until none moves (Lloyd 1982).

    A cell that lost all its latents takes the one farthest from its mean, which never raises the
    distortion.
    """
    # A latent leaves its cell only for one that is nearer by more than rounding.
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
        least = distances.amin(1)
        moves = (least < own - slack) & (partition.weights > 0)
        batch, index = moves.nonzero(as_tuple=True)
        if len(batch) == 0:
            break
        partition.relabel(batch, index, cell_of(distances, batch, index, least[batch, index]))


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
            partition.relabel(torch.full_like(taken, b), taken, empty[: len(taken)])
