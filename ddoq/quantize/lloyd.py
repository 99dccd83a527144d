"""The default solver: k-means to a fixpoint of Hartigan's moves, on inner products."""

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ddoq.errors import UsageError
from ddoq.quantize.hartigan import hartigan
from ddoq.quantize.partition import Partition, lloyd
from ddoq.quantize.seeding import plus_plus
from ddoq.quantize.solver import OfRows
from ddoq.quantize.space import Direct, Gram, centered, direct, gram, prefers_gram

# With few points restarts find better cells, and with many Hartigan's moves do. So there are 16
# restarts up to K = 3, and one from K = 9.
_STARTS, _MOST_RESTARTS = 150, 16
# If there are more than _FEW restarts, only the best of them, one in _FEW, go on after the first
# iterations. By then the good ones stand out.
_FEW, _FIRST_ITERATIONS = 4, 3
# From this many distances at once, several threads pay.
_SMALL = 2**20


@dataclass(frozen=True)
class Prepared:
    """The latents of one or more classes, ready to be quantized any number of times."""

    latents: Float[Tensor, "classes n dim"]
    """Centered."""
    center: Float[Tensor, "classes 1 dim"]
    space: Gram | Direct

    def subset(self, index: Int[Tensor, " m"]) -> "Prepared":
        """Return some latents of a single class, with their inner products."""
        return Prepared(self.latents[:, index], self.center, self.space.subset(index))


class Lloyd:
    """Greedy k-means++, Lloyd's iterations on several restarts, Hartigan's moves on the best.

    `products` says whether the inner products are held as one Gram matrix per class or computed
    when asked for; `auto` takes the cheaper way. The result is the same within rounding.
    """

    is_fork_safe = True

    def __init__(
        self,
        *,
        restarts: int | None = None,
        max_iterations: int = 300,
        hartigan: bool = True,
        products: Literal["auto", "held", "asked"] = "auto",
    ) -> None:
        if (restarts is not None and restarts < 1) or max_iterations < 1:
            raise UsageError(
                f"solver lloyd: restarts={restarts}, max_iterations={max_iterations}",
                "both are at least 1; restarts=null chooses by the number of points",
            )
        self.restarts, self.max_iterations = restarts, max_iterations
        self.hartigan, self.products = hartigan, products

    def __call__(
        self,
        latents: Tensor,
        num_points: int,
        *,
        generator: torch.Generator,
        weights: Float[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "k dim"]:
        """Return the points of one class."""
        if num_points >= len(latents):
            return latents.float()
        if weights is not None and not bool((weights >= 0).all() and (weights > 0).any()):
            raise UsageError(
                "a latent's weight is negative or not a number, or all are 0",
                "weights are at least 0, and some are above",
            )
        weights = torch.ones(len(latents)) if weights is None else weights.float()
        # Saves an eighth of the time of many small operations.
        with torch.inference_mode():
            each = weights[None].to(latents.device)
            prepared = self.prepare(latents[None], num_points, weights=each)
            points = self.solve(prepared, num_points, generators=[generator])[0]
        with _threads(alone=_is_small(points, 1)):
            return points.clone()

    def several(
        self,
        classes: Sequence[Tensor],
        num_points: int,
        *,
        generators: Sequence[torch.Generator],
    ) -> list[Float[Tensor, "k dim"]]:
        """Return the points of several classes, solved at once; shorter classes are padded."""
        small = [num_points >= len(z) for z in classes]
        large = [c for c, is_small in enumerate(small) if not is_small]
        points = [z.float() if is_small else z for z, is_small in zip(classes, small, strict=True)]
        if large:
            padded = pad_sequence([classes[c] for c in large], batch_first=True)
            weights = pad_sequence(
                [torch.ones(len(classes[c]), device=padded.device) for c in large], batch_first=True
            )
            prepared = self.prepare(padded, num_points, weights=weights)
            solved = self.solve(prepared, num_points, generators=[generators[c] for c in large])
            for c, found in zip(large, solved, strict=True):
                points[c] = found
        return points

    def of_rows(self, latents: Tensor, most_points: int) -> OfRows:
        """Return a function that solves subsets of a class on shared inner products."""
        prepared = self.prepare(latents[None], most_points)

        return lambda rows, k, own: self.solve(prepared.subset(rows), k, generators=[own])[0]

    def prepare(
        self,
        latents: Tensor,
        num_points: int,
        *,
        weights: Float[Tensor, "classes n"] | None = None,
    ) -> Prepared:
        """Center latents `[classes, n, dim]`, and compute their Gram matrices if these are held."""
        if weights is None:
            weights = torch.ones(latents.shape[:2], device=latents.device)
        num, dim = latents.shape[1:]
        restarts = self._restarts(num_points)
        cheaper = prefers_gram(num, dim, num_points, restarts=restarts, moves=self.hartigan)
        is_held = {"auto": cheaper, "held": True, "asked": False}[self.products]
        # Otherwise torch's threads would still spin while numpy multiplies.
        with _threads(alone=is_held and latents.device.type == "cpu"):
            x, center = centered(latents, weights)
        return Prepared(x, center, gram(x, weights) if is_held else direct(x, weights))

    def solve(
        self, prepared: Prepared, num_points: int, *, generators: Sequence[torch.Generator]
    ) -> Float[Tensor, "classes k dim"]:
        """Return the points of every class. The point of an empty cell is the class mean."""
        cells = self.partition(prepared.space, num_points, generators=generators)
        with _threads(alone=_is_small(prepared.space.squares, num_points)):
            return cells.means(prepared.latents) + prepared.center

    def partition(
        self, space: Gram | Direct, num_points: int, *, generators: Sequence[torch.Generator]
    ) -> Partition:
        """Return the best partition of every class."""
        restarts = self._restarts(num_points)
        few = min(_FIRST_ITERATIONS, self.max_iterations)
        with _threads(alone=_is_small(space.squares, num_points * restarts)):
            start = plus_plus(space, num_points, restarts=restarts, generators=list(generators))
            cells = Partition.of(space, start, num_points)
            if restarts > _FEW:
                lloyd(cells, max_iterations=few)
                cells = cells.best(-(-restarts // _FEW))
            # Hartigan's moves end in a fixpoint of Lloyd's iterations, so a few of these suffice.
            lloyd(cells, max_iterations=few if self.hartigan else self.max_iterations)
            cells = cells.best()
            if self.hartigan:
                hartigan(cells)
        return cells

    def _restarts(self, num_points: int) -> int:
        # With K = 1 every start ends in the mean.
        if num_points == 1:
            return 1
        return self.restarts or min(_MOST_RESTARTS, max(1, _STARTS // num_points**2))


def _is_small(values: Tensor, times: int) -> bool:
    return values.numel() * times < _SMALL and values.device.type == "cpu"


@contextlib.contextmanager
def _threads(*, alone: bool) -> Generator[None]:
    """Use one CPU thread if `alone`, as suits many small operations.

    Two threads are hardly faster, and several times slower if another program occupies a core.
    """
    before = torch.get_num_threads()
    if alone and before > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
