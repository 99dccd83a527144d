"""Inner products of centered latents, either all held at once or computed when asked for.

Seeding, Lloyd's iterations and Hartigan's moves need nothing else, whatever the dimension. Classes
come in batches. Shorter classes are padded with latents of weight 0, which no algorithm ever draws,
counts or moves.
"""

import functools
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from threadpoolctl import ThreadpoolController
from torch import Tensor

# The Gram matrix of a class may take this much memory (1 GiB: 16,384 latents).
_MOST_BYTES = 2**30
# The usual numbers of Lloyd's iterations (of all restarts, and of those that go on) and of
# Hartigan's moves, measured on autoencoder latents.
_FIRST_ITERATIONS, _ITERATIONS = 3, 20
_MOVES_PER_LATENT = 0.7


@runtime_checkable
class Space(Protocol):
    """Weighted latents of one or more classes, known by their inner products."""

    @property
    def squares(self) -> Float[Tensor, "classes n"]:
        """The squared norm of each latent."""
        ...

    @property
    def weights(self) -> Float[Tensor, "classes n"]:
        """The weight of each latent; 0 for padding."""
        ...

    @property
    def is_even(self) -> bool:
        """Whether every latent weighs 1."""
        ...

    def rows(self, latents: Int[Tensor, " m"]) -> Float[Tensor, "m n"]:
        """Return the inner products of some latents with all of their class.

        Latent i of class c is number c * n + i.
        """
        ...

    def sums(
        self, labels: Int[Tensor, "classes n"], num_cells: int
    ) -> Float[Tensor, "classes k n"]:
        """Return the inner product of each cell's weighted sum with every latent."""
        ...

    def most_shifts(self, num_cells: int) -> int:
        """Return how many rows are at most as expensive as all sums, in time and memory."""
        ...


@dataclass(frozen=True)
class Gram:
    """All inner products, held in memory. The cost of using them is independent of `dim`."""

    matrix: Float[Tensor, "classes n n"]
    squares: Float[Tensor, "classes n"]
    weights: Float[Tensor, "classes n"]
    is_even: bool

    def rows(self, latents: Int[Tensor, " m"]) -> Float[Tensor, "m n"]:
        """Return rows of the matrix."""
        return self.matrix.view(-1, self.matrix.shape[1]).index_select(0, latents)

    def sums(
        self, labels: Int[Tensor, "classes n"], num_cells: int
    ) -> Float[Tensor, "classes k n"]:
        """Add up rows of the matrix by cell."""
        num_classes, num = labels.shape
        cells = labels + num_cells * torch.arange(num_classes, device=labels.device)[:, None]
        sums = self.matrix.new_zeros(num_classes * num_cells, num)
        rows = self.matrix.view(-1, num)
        if not self.is_even:
            rows = rows * self.weights.view(-1, 1)
        return sums.index_add_(0, cells.flatten(), rows).view(num_classes, num_cells, num)

    def most_shifts(self, num_cells: int) -> int:
        """Rows are there already, so a quarter of all."""
        return self.squares.shape[1] // 4

    def subset(self, index: Int[Tensor, " m"]) -> "Gram":
        """Return the products of some latents of a single class, such as a fold."""
        matrix = self.matrix[0].index_select(0, index).index_select(1, index)
        return Gram(matrix[None], self.squares[:, index], self.weights[:, index], self.is_even)


@dataclass(frozen=True)
class Direct:
    """The latents, multiplied when asked for, for classes too large for a Gram matrix."""

    latents: Float[Tensor, "classes n dim"]
    squares: Float[Tensor, "classes n"]
    weights: Float[Tensor, "classes n"]
    is_even: bool

    def rows(self, latents: Int[Tensor, " m"]) -> Float[Tensor, "m n"]:
        """Multiply some latents with all of their class."""
        num = self.latents.shape[1]
        rows = self.latents.new_empty(len(latents), num)
        for c in range(len(self.latents)):
            own = latents // num == c
            rows[own] = self.latents[c, latents[own] - c * num] @ self.latents[c].T
        return rows

    def sums(
        self, labels: Int[Tensor, "classes n"], num_cells: int
    ) -> Float[Tensor, "classes k n"]:
        """Add up the latents by cell, then multiply."""
        num_classes, _, dim = self.latents.shape
        cells = labels + num_cells * torch.arange(num_classes, device=labels.device)[:, None]
        sums = self.latents.new_zeros(num_classes * num_cells, dim)
        weighted = self.latents if self.is_even else self.latents * self.weights[:, :, None]
        sums.index_add_(0, cells.flatten(), weighted.view(-1, dim))
        return sums.view(num_classes, num_cells, dim) @ self.latents.mT

    def most_shifts(self, num_cells: int) -> int:
        """A row costs as much as a sum, so as many as there are cells."""
        return num_cells

    def subset(self, index: Int[Tensor, " m"]) -> "Direct":
        """Return the products of some latents of a single class."""
        return Direct(
            self.latents[:, index], self.squares[:, index], self.weights[:, index], self.is_even
        )


def centered(
    latents: Float[Tensor, "classes n dim"], weights: Float[Tensor, "classes n"]
) -> tuple[Float[Tensor, "classes n dim"], Float[Tensor, "classes 1 dim"]]:
    """Return the latents in float32 less their weighted class mean, and that mean."""
    x = latents.float() if latents.dtype != torch.float32 else latents.clone()
    center = _mean(x, weights)
    x.sub_(center)
    # Subtracting the mean of the rest fixes the rounding of a mean far from the origin.
    rest = _mean(x, weights)
    return x.sub_(rest), center + rest


def _mean(
    x: Float[Tensor, "classes n dim"], weights: Float[Tensor, "classes n"]
) -> Float[Tensor, "classes 1 dim"]:
    if bool((weights == weights[:, :1]).all()):
        return x.mean(1, keepdim=True)
    shares = (weights / weights.sum(1, keepdim=True)).to(x)
    return shares[:, None] @ x


def gram(latents: Float[Tensor, "classes n dim"], weights: Float[Tensor, "classes n"]) -> Gram:
    """Multiply centered latents with each other."""
    matrix = _squared(latents) if latents.device.type == "cpu" else latents @ latents.mT
    squares = matrix.diagonal(dim1=1, dim2=2).contiguous()
    return Gram(matrix, squares, weights, bool((weights == 1).all()))


def _squared(latents: Float[Tensor, "classes n dim"]) -> Float[Tensor, "classes n n"]:
    """Multiply by numpy on torch's threads: it computes only half of a symmetric product."""
    arrays = latents.numpy()
    with _blas().limit(limits=torch.get_num_threads(), user_api="blas"):
        products = [torch.from_numpy(z @ z.T) for z in arrays]
    return products[0][None] if len(products) == 1 else torch.stack(products)


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def direct(latents: Float[Tensor, "classes n dim"], weights: Float[Tensor, "classes n"]) -> Direct:
    """Keep centered latents as they are."""
    return Direct(latents, latents.square().sum(2), weights, bool((weights == 1).all()))


def prefers_gram(num: int, dim: int, num_points: int, *, restarts: int, moves: bool) -> bool:
    """Say whether the Gram matrix needs fewer multiplications than the direct form.

    The Gram matrix costs n^2 d / 2 once, and n^2 per iteration and restart. The direct form costs
    n K d per iteration, and n d for each of Hartigan's moves.
    """
    if num_points == 1 or 4 * num**2 > _MOST_BYTES:
        return False
    iterations = _FIRST_ITERATIONS * restarts + _ITERATIONS
    num_moves = _MOVES_PER_LATENT * num if moves else 0
    held = num**2 * dim / 2 + iterations * num**2
    asked = iterations * num * num_points * dim + num_moves * num * dim
    return held <= asked
