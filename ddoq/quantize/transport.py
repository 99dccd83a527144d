"""Wasserstein-2 distances between latents and weighted points.

With the masses of the points' Voronoi cells, W2^2 is the distortion. With any other masses it is
larger, and optimal transport says by how much. Small problems are solved exactly by the network
simplex of Bonneel et al. (2011). Large ones are enclosed: any potentials g give the lower bound of
Kantorovich's dual,

    sum_k m_k g_k + sum_i w_i min_k (c_ik - g_k),

and any plan with the right marginals gives an upper bound. The potentials maximize the entropic
semi-dual (Cuturi and Peyré 2018) at falling temperatures. Its plan is rounded to the marginals as
in Algorithm 2 of Altschuler, Weed and Rigollet (2017).
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.errors import IntegrityError
from ddoq.quantize.functional import squared_distances as distances_of

MOST_EXACT_ENTRIES = 4_000_000
"""W2 is exact up to this many latents times points, which takes seconds and 160 MB ..."""
MOST_EXACT_NODES = 25_000
"""... and up to this many latents and points together; 40,000 + 100 took 14 s."""

_CHUNK_ENTRIES = 2**20
_CHUNK_LATENTS = 4096
_MOST_PIVOTS = 10**9
# Temperatures are in units of a latent's mean cost above its least one. On autoencoder latents 0.01
# encloses W2^2 to 0.1 % at 200 points; hotter starts save steps.
_TEMPERATURES = (0.1, 0.03, 0.01, 0.003, 0.001)
_STEPS = 20
_GAP = 1e-3


@dataclass(frozen=True)
class Transport:
    """W2 squared, or bounds of it."""

    lower: float
    upper: float
    is_exact: bool
    """Whether the problem was solved. Then both bounds are equal."""


def transport(
    squared_distances: Float[Tensor, "n k"],
    masses: Float[Tensor, " k"],
    weights: Float[Tensor, " n"] | None = None,
) -> Transport:
    """Return W2 squared: exactly up to `MOST_EXACT_ENTRIES` and `MOST_EXACT_NODES`, else bounds.

    Args:
        squared_distances: Of every latent to every point.
        masses: Of the points. They need not sum to 1.
        weights: Of the latents, equal if None. They need not sum to 1.
    """
    is_small = sum(squared_distances.shape) <= MOST_EXACT_NODES
    if is_small and squared_distances.numel() <= MOST_EXACT_ENTRIES:
        value = w2_squared(squared_distances, masses, weights)
        return Transport(value, value, is_exact=True)
    return Transport(*w2_bounds(squared_distances, masses, weights), is_exact=False)


def transport_of(
    latents: Float[Tensor, "n ..."], points: Float[Tensor, "k ..."], masses: Float[Tensor, " k"]
) -> Transport:
    """Return W2 squared between latents, equally weighted, and points with masses.

    Distances do not depend on the origin, but lose fewer digits near it.
    """
    ends = points.flatten(1).double()
    center = ends.mean(0)
    parts = [
        distances_of(z.double() - center, ends - center)
        for z in latents.flatten(1).split(_CHUNK_LATENTS)
    ]
    return transport(torch.cat(parts), masses)


def w2_squared(
    squared_distances: Float[Tensor, "n k"],
    masses: Float[Tensor, " k"],
    weights: Float[Tensor, " n"] | None = None,
) -> float:
    """Return W2 squared, exactly.

    Time grows faster than the number of entries, and memory is about 40 bytes for each. Beyond
    `MOST_EXACT_ENTRIES` or `MOST_EXACT_NODES` use `w2_bounds`.
    """
    # Imported here, as the import takes a second.
    import ot

    problem = _problem(squared_distances, masses, weights)
    with warnings.catch_warnings():
        # The log says what went wrong, so the warning is not needed.
        warnings.simplefilter("ignore")
        value, log = ot.emd2(
            problem.weights.cpu().numpy(),
            problem.masses.cpu().numpy(),
            problem.costs.double().cpu().numpy(),
            numItermax=_MOST_PIVOTS,
            log=True,
        )
    if log["warning"] is not None:
        raise IntegrityError(
            f"optimal transport was not solved: {log['warning']}",
            "use w2_bounds, which hold without convergence",
        )
    return float(value)


def w2_bounds(
    squared_distances: Float[Tensor, "n k"],
    masses: Float[Tensor, " k"],
    weights: Float[Tensor, " n"] | None = None,
) -> tuple[float, float]:
    """Return a lower and an upper bound of W2 squared.

    Both are valid whatever the gap. They are improved until they differ by less than 0.1 %, or
    until the temperatures are used up. With the masses of the Voronoi cells they are equal.
    """
    problem = _problem(squared_distances, masses, weights)
    potentials = torch.zeros_like(problem.masses)
    lower, upper = _bounds(problem, potentials, 0.0)
    spread = _spread(problem)
    for temperature in _TEMPERATURES:
        if upper - lower <= _GAP * upper:
            break
        potentials = _ascend(problem, potentials, temperature * spread)
        below, above = _bounds(problem, potentials, temperature * spread)
        lower, upper = max(lower, below), min(upper, above)
    # Bounds that coincide may have been exchanged by rounding.
    return min(lower, upper), upper


@dataclass(frozen=True)
class _Problem:
    costs: Float[Tensor, "n k"]
    masses: Float[Tensor, " k"]
    weights: Float[Tensor, " n"]

    def chunks(self) -> Iterator[tuple[Float[Tensor, "chunk k"], Float[Tensor, " chunk"]]]:
        """Yield the costs of some latents in double precision, and their weights."""
        rows = max(1, _CHUNK_ENTRIES // self.costs.shape[1])
        for costs, weights in zip(self.costs.split(rows), self.weights.split(rows), strict=True):
            yield costs.double(), weights


def _problem(costs: Tensor, masses: Tensor, weights: Tensor | None) -> _Problem:
    """Normalize the marginals, and leave out points without mass."""
    if weights is None:
        weights = torch.ones(len(costs))
    masses = _normalized(masses.to(costs.device), "masses")
    held = masses > 0
    if not bool(held.all()):
        costs, masses = costs[:, held], masses[held]
    return _Problem(costs, masses, _normalized(weights.to(costs.device), "weights"))


def _normalized(shares: Tensor, name: str) -> Tensor:
    shares = shares.double()
    total = float(shares.sum())
    if not (0 < total < float("inf")) or bool((shares < 0).any()):
        raise ValueError(
            f"{name} must be finite, not negative and not all zero; their sum is {total}"
        )
    return shares / total


def _spread(problem: _Problem) -> float:
    """Return the mean over latents of their mean cost less their least cost."""
    return sum(float(w @ (c.mean(1) - c.min(1).values)) for c, w in problem.chunks())


def _ascend(problem: _Problem, potentials: Tensor, temperature: float) -> Tensor:
    """Return potentials that raise the entropic semi-dual, by some steps of L-BFGS."""
    from scipy.optimize import minimize

    def descent(x: Any) -> tuple[float, Any]:
        value, gradient = _semi_dual(problem, torch.from_numpy(x).to(device), temperature)
        return -value, -gradient.cpu().numpy()

    device = potentials.device
    start = potentials.cpu().numpy()
    found = minimize(descent, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    return torch.from_numpy(found.x).to(device)


def _semi_dual(
    problem: _Problem, potentials: Float[Tensor, " k"], temperature: float
) -> tuple[float, Float[Tensor, " k"]]:
    """Return m.g - t sum_i w_i log sum_k exp((g_k - c_ik) / t), and its gradient."""
    value, gradient = float(problem.masses @ potentials), problem.masses.clone()
    for costs, weights in problem.chunks():
        scores = (potentials - costs).div_(temperature)
        logs = scores.logsumexp(1)
        value -= temperature * float(weights @ logs)
        gradient -= weights @ scores.sub_(logs[:, None]).exp_()
    return value, gradient


def _bounds(
    problem: _Problem, potentials: Float[Tensor, " k"], temperature: float
) -> tuple[float, float]:
    """Return the dual's value, and the cost of the potentials' plan after rounding."""
    lower, sums = float(problem.masses @ potentials), torch.zeros_like(problem.masses)
    for costs, weights in problem.chunks():
        lower += float(weights @ (costs - potentials).min(1).values)
        sums += _plan(costs, weights, potentials, temperature).sum(0)
    # Points with too much mass give up a share of it, which goes to those with too little.
    kept = (problem.masses / sums.clamp_min(torch.finfo(sums.dtype).tiny)).clamp_max(1)
    lacking = (problem.masses - kept * sums).clamp_min(0)
    upper = moved = 0.0
    for costs, weights in problem.chunks():
        plan = _plan(costs, weights, potentials, temperature).mul_(kept)
        free = (weights - plan.sum(1)).clamp_min(0)
        upper += float((plan * costs).sum())
        moved += float(free @ (costs @ lacking))
    total = float(lacking.sum())
    return lower, upper + moved / total if total > 0 else upper


def _plan(
    costs: Float[Tensor, "n k"],
    weights: Float[Tensor, " n"],
    potentials: Float[Tensor, " k"],
    temperature: float,
) -> Float[Tensor, "n k"]:
    """Spread each latent's weight over the points. At temperature zero one point gets all."""
    scores = potentials - costs
    if temperature == 0:
        nearest = scores.argmax(1, keepdim=True)
        return torch.zeros_like(costs).scatter_(1, nearest, weights[:, None])
    return (scores / temperature).softmax(1).mul_(weights[:, None])
