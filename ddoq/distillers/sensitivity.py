"""How much each row of a class matters, and draws of rows with such chances."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.quantize.functional import assign, plus_plus, squared_distances

# A row this near to a drawn one, as a share of the mean squared distance to the mean, is a copy.
_NEAR = 0.01


def sensitivities(
    features: Float[Tensor, "n dim"], centers: Float[Tensor, "k dim"]
) -> Float[Tensor, " n"]:
    """Return d^2(i, B) / cost + 1 / |cluster of i| of each row, in float64.

    It bounds the share that a row has in the k-means cost of any k points, up to a factor that
    depends on how good the centers B are (Feldman and Langberg 2011; Bachem et al. 2017). The sum
    is one, if the cost is above zero, and the number of clusters that are not empty.
    """
    nearest, squares = assign(features, centers)
    squares, sizes = squares.double(), torch.bincount(nearest, minlength=len(centers))
    shares = squares / squares.sum() if bool(squares.any()) else squares
    return shares + 1 / sizes[nearest].double()


def leverages(kernel: Float[Tensor, "n n"], ridge: float) -> Float[Tensor, " n"]:
    """Return the diagonal of K (K + ridge I)^-1, in float64 (Alaoui and Mahoney 2015).

    It is how far a row's own value pulls its prediction by kernel ridge regression. The sum is the
    effective dimension.
    """
    eye = torch.eye(len(kernel), dtype=torch.float64)
    root = torch.linalg.cholesky(kernel.double() + ridge * eye)
    return 1 - ridge * torch.cholesky_inverse(root).diagonal()


def of_clusters(
    features: Float[Tensor, "n dim"], k: int, generator: torch.Generator
) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    """Return the sensitivities to centers of greedy k-means++ among the rows, and the clusters."""
    x = _centered(features).float()
    centers = plus_plus(x, min(k, len(x)), generator)
    return sensitivities(x, centers), assign(x, centers)[0]


def of_regression(
    features: Float[Tensor, "n dim"], k: int, generator: torch.Generator
) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    """Return the leverages of linear ridge regression with an intercept, which adds 1 / n.

    The ridge is what k components leave of the features' squares, divided by k, for which the
    leverages sum to at most 2 k (Cohen, Musco and Musco 2017). All rows are one cluster.
    """
    x = _centered(features)
    is_wide = x.shape[1] >= len(x)
    products = x @ x.T if is_wide else x.T @ x
    values = torch.linalg.eigvalsh(products).clamp_min(0)
    # If k components leave nothing, the ridge is above what rounding leaves.
    rest, least = values[: max(0, len(values) - k)].sum() / k, 1e-12 * values.sum() + 1e-300
    ridge = float(rest.clamp_min(least))
    own = leverages(products, ridge) if is_wide else _of_columns(x, products, ridge)
    return own + 1 / len(x), torch.zeros(len(x), dtype=torch.int64)


def _of_columns(
    x: Float[Tensor, "n dim"], products: Float[Tensor, "dim dim"], ridge: float
) -> Float[Tensor, " n"]:
    """Return the leverages of a linear kernel by the products of fewer columns than rows."""
    eye = torch.eye(len(products), dtype=products.dtype)
    root = torch.linalg.cholesky(products + ridge * eye)
    return torch.linalg.solve_triangular(root, x.T, upper=False).square().sum(0)


def chances(scores: Float[Tensor, " n"], k: int) -> Float[Tensor, " n"]:
    """Return chances that sum to k, proportional to the scores, where none would exceed 1.

    Rows whose chance would exceed 1 are certain, and the others share the rest. Scores are at
    least 0, and at least k of them above it.
    """
    certain = torch.zeros(len(scores), dtype=torch.bool)
    while True:
        rest = torch.where(certain, 0.0, scores)
        found = (k - int(certain.sum())) * rest / rest.sum().clamp_min(1e-300)
        beyond = ~certain & (found >= 1)
        if not bool(beyond.any()):
            return torch.where(certain, 1.0, found)
        certain |= beyond


def systematic(chances: Float[Tensor, " n"], spot: float) -> Int[Tensor, " k"]:
    """Draw k rows without replacement, each with exactly its chance, for a `spot` in [0, 1).

    The chances lie one after another on a line of length k, and the rows at spot, spot + 1, ...
    are taken (Madow 1949). A row of chance 0 is never taken.
    """
    line = chances.cumsum(0)
    spots = spot + torch.arange(round(float(line[-1])), dtype=line.dtype)
    last = int(chances.nonzero()[-1])
    return torch.searchsorted(line, spots, right=True).clamp_max(last)


def draw(
    features: Float[Tensor, "n dim"],
    scores: Float[Tensor, " n"],
    clusters: Int[Tensor, " n"],
    k: int,
    generator: torch.Generator,
) -> tuple[Int[Tensor, " m"], Float[Tensor, " m"]]:
    """Draw k rows with chances proportional to their scores, and how many rows each stands for.

    That is one over its chance. Rows lie in random order within their clusters, so that each
    cluster is drawn from as often as its chances sum to, rounded up or down. Of near copies only
    one is taken, as long as there are others; it has the scores of all and stands for all.
    """
    x, scores = _centered(features).float(), scores.double().clone()
    near = _NEAR * float(x.square().sum(1).mean())
    order = torch.randperm(len(x), generator=generator)
    order = order[clusters[order].argsort(stable=True)]
    spot = float(torch.rand(1, generator=generator, dtype=torch.float64))
    copies = torch.ones(len(x), dtype=torch.float64)
    while True:
        found = chances(scores, k)
        rows = order[systematic(found[order], spot)]
        pairs = _near_pairs(squared_distances(x[rows], x[rows]) <= near)
        left = int((scores > 0).sum()) - k
        if not pairs or left <= 0:
            return rows, copies[rows] / found[rows]
        for kept, copy in pairs[:left]:
            for values in (scores, copies):
                values[rows[kept]] += values[rows[copy]]
                values[rows[copy]] = 0


def _near_pairs(near: Tensor) -> list[tuple[int, int]]:
    """Return each row that is near to an earlier one which is kept, after that one."""
    pairs: dict[int, int] = {}
    for kept, copy in near.triu(1).nonzero().tolist():
        if kept not in pairs and copy not in pairs:
            pairs[copy] = kept
    return [(kept, copy) for copy, kept in pairs.items()]


def _centered(features: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
    """Return float64 rows around their mean."""
    x = features.double()
    return x - x.mean(0)
