"""Rows averaged over classes, and how much they vary over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from benchmarks.ablate.case import Row

QUANTITIES = (
    "distortion_fit",
    "distortion_held_out",
    "w2_fit",
    "w2_held_out",
    "effective_size",
    "effective_share",
    "strength",
    "seconds",
    "choice_seconds",
    "peak_memory_mb",
)
Key = tuple[int, str, str, str]
"""Number of points, solver, shrinkage, weighting."""


@dataclass(frozen=True)
class Mean:
    """The mean over seeds of the means over classes."""

    value: float
    spread: float | None
    """The standard deviation over seeds; None of a single one."""


Means = dict[Key, dict[str, Mean | None]]


def means(rows: Sequence[Row]) -> Means:
    """Average every quantity for each number of points, solver, shrinkage and weighting."""
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        key = (row.num_points, row.solver, row.shrinkage, row.weighting)
        groups.setdefault(key, []).append(row)
    return {key: {q: _mean(own, q) for q in QUANTITIES} for key, own in groups.items()}


def value(averages: Means, key: Key, quantity: str) -> float:
    """Return one mean that is known to exist."""
    mean = averages[key][quantity]
    assert mean is not None
    return mean.value


def _mean(rows: Sequence[Row], quantity: str) -> Mean | None:
    seeds: dict[int, list[float]] = {}
    for row in rows:
        number = getattr(row, quantity)
        if number is None:
            return None
        seeds.setdefault(row.seed, []).append(number)
    values = [fmean(own) for own in seeds.values()]
    return Mean(fmean(values), stdev(values) if len(values) > 1 else None)
