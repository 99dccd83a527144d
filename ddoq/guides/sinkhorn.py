"""Entropic optimal transport between weighted points, in log space (Cuturi 2013, Feydy 2020)."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

# Looking at what is misplaced makes a GPU wait.
_EVERY = 10


def plan(
    costs: Float[Tensor, "n k"],
    rows: Float[Tensor, " n"],
    columns: Float[Tensor, " k"],
    *,
    temperature: float,
    iterations: int,
    tolerance: float = 0.0,
) -> Float[Tensor, "n k"]:
    """Return the entropic plan, as soon as no more than `tolerance` of the mass is misplaced.

    The last half-step fits the columns, so their sums are exact; those of the rows converge.
    """
    log_rows, log_columns = rows.log(), columns.log()
    scores = -costs / temperature
    f, g = torch.zeros_like(rows), torch.zeros_like(columns)
    for number in range(iterations):
        fitted = log_rows - (scores + g).logsumexp(1)
        if _is_met(number, rows, f - fitted, tolerance):
            break
        f = fitted
        g = log_columns - (scores + f[:, None]).logsumexp(0)
    return (scores + f[:, None] + g).exp()


def symmetric_plan(
    costs: Float[Tensor, "n n"],
    weights: Float[Tensor, " n"],
    *,
    temperature: float,
    iterations: int,
    tolerance: float = 0.0,
) -> Float[Tensor, "n n"]:
    """Return the entropic plan of weighted points to themselves, by averaged half-steps."""
    log_weights, scores = weights.log(), -costs / temperature
    f = torch.zeros_like(weights)
    for number in range(iterations):
        fitted = log_weights - (scores + f).logsumexp(1)
        if _is_met(number, weights, f - fitted, tolerance):
            break
        f = (f + fitted) / 2
    return (scores + f[:, None] + f).exp()


def _is_met(
    number: int, rows: Float[Tensor, " n"], excess: Float[Tensor, " n"], tolerance: float
) -> bool:
    """Say whether the sums of the rows are theirs. They are too large by the factor e^excess."""
    if tolerance <= 0 or number == 0 or number % _EVERY:
        return False
    return float((rows * excess.expm1()).abs().sum()) <= tolerance


def pulls(
    x: Float[Tensor, "n dim"],
    points: Float[Tensor, "k dim"],
    rows: Float[Tensor, " n"],
    columns: Float[Tensor, " k"],
    *,
    epsilon: float,
    iterations: int,
    tolerance: float = 0.0,
) -> Float[Tensor, "n dim"]:
    """Return how far each of `x` is drawn to lower the debiased Sinkhorn loss (Feydy et al. 2019).

    It is minus half the gradient for |x - y|^2, per weight: the mean of the points that x is sent
    to, minus the mean of the `x` that it is sent to in its own plan. With n = k = 1, it is y - x.
    """
    costs = torch.cdist(x, points).square()
    limits: dict[str, Any] = {
        "temperature": epsilon * float(costs.mean().clamp_min(torch.finfo(costs.dtype).tiny)),
        "iterations": iterations,
        "tolerance": tolerance,
    }
    across = plan(costs, rows, columns, **limits)
    within = symmetric_plan(torch.cdist(x, x).square(), rows, **limits)
    to_points = across @ points / across.sum(1, keepdim=True)
    to_itself = within @ x / within.sum(1, keepdim=True)
    return to_points - to_itself
