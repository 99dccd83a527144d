"""Cross-validation of a class: how well points stand for latents that were not clustered.

Each fold is held out once. The other folds are quantized, and every shrinkage is tried on the
result. Distances are computed along principal directions, in which shrinking is a product.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.quantize import functional
from ddoq.quantize.shrinkage import STRENGTHS, Frame, Towards, factors
from ddoq.quantize.solver import OfRows, Sharing, Solver
from ddoq.quantize.transport import transport


@dataclass(frozen=True)
class Trial:
    """One number of points with one shrinkage, on the held-out latents of a class."""

    num_points: int
    towards: Towards
    strength: float
    fitted: float
    """The distortion of the latents that were quantized."""
    held_out: float
    """The distortion of the latents that were held out, over all folds."""
    error: float
    """The standard error of `held_out`."""
    w2_squared: float | None = None
    """Between held-out latents and the fit's points and masses, for strengths near the best."""


def cross_validate(
    latents: Float[Tensor, "n dim"],
    solver: Solver,
    num_points: Sequence[int],
    *,
    folds: int,
    generator: torch.Generator,
    strengths: Sequence[float] = STRENGTHS,
) -> list[Trial]:
    """Try each number of points that the folds allow, with each shrinkage."""
    order = torch.randperm(len(latents), generator=generator)
    parts = [order[fold::folds].sort().values for fold in range(folds)]
    allowed = [k for k in num_points if k < len(latents) - len(parts[0])]
    if not allowed:
        return []
    solve = _of_rows(latents, solver, max(allowed))
    frames = [_Held.of(latents, part) for part in parts]
    trials: list[Trial] = []
    for k in allowed:
        fits = [_Fit.of(held, solve(held.rest, k, generator)) for held in frames]
        trials += _try_all(fits, k, strengths)
    return trials


def _of_rows(latents: Float[Tensor, "n dim"], solver: Solver, most_points: int) -> OfRows:
    """Return a function that quantizes rows of a class; folds share work if the solver can."""
    if isinstance(solver, Sharing):
        return solver.of_rows(latents, most_points)

    return lambda rows, k, generator: solver(latents[rows], k, generator=generator)


@dataclass(frozen=True)
class _Held:
    """A fold: latents fitted and held out, along principal directions of those fitted."""

    rest: Int[Tensor, " m"]
    frame: Frame
    inside: Float[Tensor, "m r"]
    outside: Float[Tensor, "h r"]
    beyond: Float[Tensor, " h"]
    """The squared distance of each held-out latent to the span of the others."""

    @classmethod
    def of(cls, latents: Float[Tensor, "n dim"], part: Int[Tensor, " h"]) -> "_Held":
        is_held = torch.zeros(len(latents), dtype=torch.bool)
        is_held[part] = True
        rest = (~is_held).nonzero().flatten()
        frame = Frame.of(latents[rest])
        outside = frame.coordinates(latents[part])
        whole = (latents[part].float() - frame.center).square().sum(1)
        beyond = (whole - outside.square().sum(1)).clamp_min(0)
        return cls(rest, frame, frame.coordinates(latents[rest]), outside, beyond)


@dataclass(frozen=True)
class _Fit:
    """The points of a fold, and the number of fitted latents that each stands for."""

    held: _Held
    points: Float[Tensor, "k r"]
    counts: Float[Tensor, " k"]

    @classmethod
    def of(cls, held: _Held, points: Float[Tensor, "k dim"]) -> "_Fit":
        inside = held.frame.coordinates(points)
        nearest, _ = functional.assign(held.inside, inside)
        return cls(held, inside, torch.bincount(nearest, minlength=len(points)).float())

    def shrunk(self, towards: Towards, strength: float) -> Float[Tensor, "k r"]:
        frame, points, counts = self.held.frame, self.points, self.counts
        return points * factors(frame, points, counts, towards=towards, strength=strength)

    def squares(self, towards: Towards, strength: float) -> tuple[Tensor, Tensor]:
        """Return the squared distances of fitted and of held-out latents to their points."""
        points = self.shrunk(towards, strength)
        inside = functional.squared_distances(self.held.inside, points).amin(1)
        outside = functional.squared_distances(self.held.outside, points).amin(1)
        return inside.double(), (outside + self.held.beyond).double()

    def w2_squared(self, towards: Towards, strength: float) -> float:
        """Return W2^2 of the held-out latents and the points with the masses of the fit."""
        points = self.shrunk(towards, strength)
        nearest, _ = functional.assign(self.held.inside, points)
        counts = torch.bincount(nearest, minlength=len(points))
        kept = counts > 0
        costs = functional.squared_distances(self.held.outside, points[kept])
        costs = costs + self.held.beyond[:, None]
        return transport(costs, counts[kept] / counts.sum()).upper


def _try_all(fits: list[_Fit], num_points: int, strengths: Sequence[float]) -> list[Trial]:
    trials = [_with_w2(_trial(fits, num_points, "none", 0.0), fits)]
    for towards in ("mean", "directions"):
        own = [_trial(fits, num_points, towards, s) for s in strengths if s > 0]
        best = min(range(len(own)), key=lambda i: own[i].held_out)
        # W2 takes time. The strength that classes agree on is nearly always one of these.
        trials += [_with_w2(t, fits) if abs(i - best) <= 1 else t for i, t in enumerate(own)]
    return trials


def _trial(fits: list[_Fit], num_points: int, towards: Towards, strength: float) -> Trial:
    pairs = [fit.squares(towards, strength) for fit in fits]
    fitted = torch.cat([inside for inside, _ in pairs])
    held = torch.cat([outside for _, outside in pairs])
    error = float(held.std() / len(held) ** 0.5)
    return Trial(num_points, towards, strength, float(fitted.mean()), float(held.mean()), error)


def _with_w2(trial: Trial, fits: list[_Fit]) -> Trial:
    values = [fit.w2_squared(trial.towards, trial.strength) for fit in fits]
    return replace(trial, w2_squared=sum(values) / len(values))
