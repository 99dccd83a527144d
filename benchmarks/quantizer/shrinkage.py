"""Points shrunk towards the class mean, the strength chosen by cross-validation.

A stand-in until the package has this; only `contenders.ours` uses it.
"""

import torch
from torch import Tensor

from ddoq import keyed
from ddoq.quantize import functional
from ddoq.quantize.quantizer import Solver

STRENGTHS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


def shrunk(points: Tensor, counts: Tensor, mean: Tensor, strength: float) -> Tensor:
    """Return m + n_k / (n_k + strength) (z_k - m) for points whose cells hold n_k latents."""
    if strength == 0:
        return points
    factors = (counts / (counts + strength)).to(points)
    return mean + factors[:, None] * (points - mean)


def counts_of(latents: Tensor, points: Tensor, mean: Tensor) -> Tensor:
    """Return how many latents each point's cell holds."""
    nearest, _ = functional.assign(latents - mean, points - mean)
    return torch.bincount(nearest, minlength=len(points))


def held_out(fit: Tensor, rest: Tensor, points: Tensor) -> Tensor:
    """Return the sum of squared distances of held-out latents, for every strength."""
    mean = fit.mean(0)
    counts = counts_of(fit, points, mean)
    trials = [shrunk(points, counts, mean, strength) for strength in STRENGTHS]
    sums = [functional.assign(rest - mean, trial - mean)[1].double().sum() for trial in trials]
    return torch.stack(sums)


def quantize_shrunk(
    latents: Tensor, solver: Solver, num_points: int, *, seed: int, folds: int = 5
) -> tuple[Tensor, float]:
    """Return the shrunk points of a class and the strength that cross-validation chose."""
    fold = keyed.permutation(len(latents), "folds", seed) % folds
    totals = torch.zeros(len(STRENGTHS), dtype=torch.float64)
    for number in range(folds):
        fit, rest = latents[fold != number], latents[fold == number]
        points = solver(fit, num_points, generator=keyed.generator("fold", seed, number))
        totals += held_out(fit.float(), rest.float(), points)
    strength = STRENGTHS[int(totals.argmin())]
    points = solver(latents, num_points, generator=keyed.generator("all", seed))
    singles = latents.float()
    mean = singles.mean(0)
    return shrunk(points, counts_of(singles, points, mean), mean, strength), strength
