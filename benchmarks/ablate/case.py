"""One solver with one number of points on one class: its distances under all weightings."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.ablate.candidates import CANDIDATES, FOLDS, SHRINKAGES, WEIGHTINGS, Candidate
from benchmarks.ablate.classes import Halves
from benchmarks.ablate.meter import metered
from ddoq import keyed
from ddoq.distillers import weighting
from ddoq.quantize import functional
from ddoq.quantize.one_class import Shrinkage, finish_class
from ddoq.quantize.shrinkage import Towards
from ddoq.quantize.transport import transport
from ddoq.quantize.validation import cross_validate


@dataclass(frozen=True)
class Case:
    """What is measured in one go."""

    seed: int
    label: int
    class_name: str
    solver: str
    num_points: int


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    seed: int
    class_name: str
    solver: str
    shrinkage: str
    weighting: str
    num_points: int
    num_kept: int
    """Points whose cell or mass is not empty; only these are weighted."""
    strength: float
    """Of the shrinkage, chosen by cross-validation of the fitted latents; 0 is none."""
    distortion_fit: float
    distortion_held_out: float
    w2_fit: float
    """W2 squared, of the fitted latents and the weighted points."""
    w2_held_out: float
    is_exact: bool
    """Whether W2 is; otherwise it is an upper bound."""
    effective_size: float
    """1 / sum w^2 of the weights."""
    effective_share: float
    """Effective size by the number of points asked for."""
    seconds: float
    """Of the solver."""
    choice_seconds: float
    """Of the cross-validation."""
    peak_memory_mb: float | None
    """What the solver added to the process's resident memory."""


def measure(case: Case, halves: Halves) -> list[Row]:
    """Solve once, shrink in every way, and weigh in every way."""
    candidate = CANDIDATES[case.solver]
    (points, masses), cost = metered(lambda: _solved(case, candidate, halves.fit))
    start = time.perf_counter()
    strengths = _strengths(case, candidate, halves.fit)
    common = {**asdict(case), **asdict(cost), "choice_seconds": time.perf_counter() - start}
    del common["label"]
    rows: list[Row] = []
    for towards, strength in strengths.items():
        shrinkage = Shrinkage(towards, strength)
        done = finish_class(halves.fit, points, case.num_points, shrinkage=shrinkage, masses=masses)
        rows += _rows(common, halves, done, shrinkage)
    return rows


def warm_up(solver: str, dim: int) -> None:
    """Run a solver on noise, so that what it imports is not counted as its own time and memory."""
    generator = keyed.generator("warm up")
    noise = torch.randn(64, dim, generator=generator)
    CANDIDATES[solver].make()(noise, 2, generator=generator)


def _solved(case: Case, candidate: Candidate, fit: Tensor) -> tuple[Tensor, Tensor | None]:
    solver, num_points = candidate.make(), case.num_points
    generator = keyed.generator("ablate solver", case.seed, case.label, num_points)
    if candidate.keeps_counts:
        return solver.with_counts(fit, num_points, generator=generator)
    return solver(fit, num_points, generator=generator), None


def _strengths(case: Case, candidate: Candidate, fit: Tensor) -> Mapping[Towards, float]:
    """Choose the strength of each shrinkage by the distortion of held-out folds."""
    # The same folds for every solver and number of points.
    generator = keyed.generator("ablate folds", case.seed, case.label)
    trials = cross_validate(
        fit, candidate.make(), [case.num_points], folds=FOLDS, generator=generator
    )
    best: dict[Towards, float] = {}
    for towards in SHRINKAGES:
        own = [t for t in trials if t.towards in (towards, "none")]
        best[towards] = min(own, key=lambda t: t.held_out).strength
    return best


def _rows(
    common: Mapping[str, Any], halves: Halves, done: Mapping[str, Tensor], shrinkage: Shrinkage
) -> list[Row]:
    fitted, held = (_costs(half, done["points"]) for half in (halves.fit, halves.held_out))
    rows: list[Row] = []
    for name in WEIGHTINGS:
        weights = _weights(name, done["masses"])
        inside, outside = transport(fitted, weights), transport(held, weights)
        size = float(1 / weights.square().sum())
        row = Row(
            **common,
            shrinkage=shrinkage.towards,
            strength=shrinkage.strength,
            weighting=name,
            num_kept=len(weights),
            distortion_fit=float(fitted.amin(1).mean()),
            distortion_held_out=float(held.amin(1).mean()),
            w2_fit=inside.upper,
            w2_held_out=outside.upper,
            is_exact=inside.is_exact and outside.is_exact,
            effective_size=size,
            effective_share=size / common["num_points"],
        )
        rows.append(row)
    return rows


def _weights(name: str, masses: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    labels, priors = torch.zeros(len(masses), dtype=torch.int64), torch.ones(1)
    schemes = {"uniform": weighting.uniform, "mass": weighting.mass, "root": weighting.root}
    weights = schemes[name](masses.double(), labels, priors.double())
    return weights / weights.sum()


def _costs(latents: Float[Tensor, "n dim"], points: Float[Tensor, "k dim"]) -> Tensor:
    center = points.double().mean(0)
    moved = points.double() - center
    chunks = [functional.squared_distances(z.double() - center, moved) for z in latents.split(4096)]
    return torch.cat(chunks)
