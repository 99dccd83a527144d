"""The quantization of one class: its points, their masses and the distortion."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ddoq.errors import IntegrityError
from ddoq.quantize import functional
from ddoq.quantize.shrinkage import Towards, shrink
from ddoq.quantize.solver import Counting, Solver, wants_its_counts
from ddoq.recipe.plugin import expect, expect_tensor

_CHUNK = 8192


@dataclass(frozen=True)
class Shrinkage:
    """How far points are shrunk towards the class mean: see `ddoq.quantize.shrinkage`."""

    towards: Towards = "none"
    strength: float = 0.0


NO_SHRINKAGE = Shrinkage()


def quantize_class(
    latents: Tensor,
    solver: Solver,
    num_points: int,
    *,
    generator: torch.Generator,
    shrinkage: Shrinkage = NO_SHRINKAGE,
) -> dict[str, Tensor]:
    """Return a class's points, the counts and masses of their cells, and the distortion.

    All latents are assigned once more after the points are solved and shrunk, so the counts are
    those of the final cells. A point whose cell is empty is dropped.
    """
    flat = latents.flatten(1)
    if len(flat) == 0:
        return _nothing(latents, num_points)
    refuse_not_finite(flat)
    points, masses = _solved(flat, solver, min(num_points, len(flat)), generator)
    return finish_class(latents, points, num_points, shrinkage=shrinkage, masses=masses)


def finish_class(
    latents: Tensor,
    points: Tensor,
    num_points: int,
    *,
    shrinkage: Shrinkage = NO_SHRINKAGE,
    masses: Tensor | None = None,
) -> dict[str, Tensor]:
    """Shrink the points of a class, and measure their cells."""
    flat = latents.flatten(1)
    if len(flat) == 0:
        return _nothing(latents, num_points)
    counts, distortion = _cells(flat, points)
    if shrinkage.towards != "none" and shrinkage.strength > 0:
        points = shrink(
            flat, points, counts.float(), towards=shrinkage.towards, strength=shrinkage.strength
        )
        counts, distortion = _cells(flat, points)
    # A point whose final cell is empty is kept if the solver itself gave it a mass.
    masses = counts.double() if masses is None else masses.double()
    kept = (counts > 0) | (masses > 0)
    return {
        "points": points[kept].reshape(-1, *latents.shape[1:]).cpu(),
        "counts": counts[kept].cpu(),
        "masses": (masses[kept] / masses[kept].sum()).cpu(),
        "distortions": distortion.cpu(),
        "requested": torch.tensor([num_points]),
    }


def _nothing(latents: Tensor, num_points: int) -> dict[str, Tensor]:
    return {
        "points": torch.zeros(0, *latents.shape[1:]),
        "counts": torch.zeros(0, dtype=torch.int64),
        "masses": torch.zeros(0, dtype=torch.float64),
        "distortions": torch.zeros(1, dtype=torch.float64),
        "requested": torch.tensor([num_points]),
    }


def _solved(
    flat: Tensor, solver: Solver, num_points: int, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Return the points, and the solver's own counts if it wants masses to be made of them."""
    masses = None
    if isinstance(solver, Counting) and wants_its_counts(solver):
        points, masses = solver.with_counts(flat, num_points, generator=generator)
    else:
        points = solver(flat, num_points, generator=generator)
    return checked_points(points, flat, num_points, solver), masses


def checked_points(points: Tensor, flat: Tensor, num_points: int, solver: Any) -> Tensor:
    """Return the points, or refuse a result that cannot be points of these latents."""
    num = len(points) if getattr(points, "ndim", 0) else 0
    expect(0 < num <= num_points, solver, "the solver", f"1 to {num_points} points", points)
    expect_tensor(points, (num, flat.shape[1]), solver, "the solver")
    return points


def _cells(flat: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return each point's number of latents, and the mean squared distance of all to theirs."""
    counts = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    total = torch.zeros(1, dtype=torch.float64, device=points.device)
    center = points.mean(0)
    for chunk in flat.split(_CHUNK):
        moved = chunk.to(points.device).float() - center
        nearest, squares = functional.assign(moved, points - center)
        counts += torch.bincount(nearest, minlength=len(points))
        total += squares.double().sum()
    return counts, total / len(flat)


def refuse_not_finite(flat: Tensor) -> None:
    """Refuse latents that hold NaN or infinity, and name the first such row."""
    for number, chunk in enumerate(flat.split(_CHUNK)):
        # A sum is the cheapest way to see whether there is one.
        if not bool(chunk.sum(1, dtype=torch.float32).isfinite().all()):
            rows = (~chunk.isfinite().all(1)).nonzero().flatten()
            if len(rows):
                raise IntegrityError(
                    f"row {number * _CHUNK + int(rows[0])} has latents that are not finite",
                    "encode again; float16 overflows above 65504, so use dtype=float32",
                )


@contextlib.contextmanager
def named(label: int) -> Generator[None]:
    """Add the class to the message of an error."""
    try:
        yield
    except IntegrityError as error:
        raise IntegrityError(f"quantize: class {label}: {error.cause}", error.remedy) from error
