"""How much of the way from D4M to ours is points, how much weights, how much shrinkage?

The steps of a way add up to the whole, but their sizes depend on their order: what one of them
fixes, later ones cannot gain. So each is told as the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.ablate.figures import figure, percent
from benchmarks.ablate.means import Means, value

Stop = tuple[str, str, str]
"""Solver, shrinkage, weighting."""

THEIRS, OURS = "d4m", "lloyd"
_START: Stop = (THEIRS, "none", "uniform")
_UNSHRUNK: Stop = (OURS, "none", "mass")
_END: Stop = (OURS, "directions", "mass")
# At K = 1 all solvers find the mean, within rounding.
_ROUNDING = 1e-6
POINTS_FIRST = {"points": (OURS, "none", "uniform"), "weights": _UNSHRUNK, "shrinkage": _END}
SHRINKAGE_FIRST = {
    "shrinkage": (THEIRS, "directions", "uniform"),
    "points": (OURS, "directions", "uniform"),
    "weights": _END,
}
WEIGHTS_FIRST = {"weights": (THEIRS, "none", "mass"), "points": _UNSHRUNK, "shrinkage": _END}


@dataclass(frozen=True)
class Way:
    """By how much each step from D4M with uniform weights to ours lowers W2 squared."""

    start: float
    gains: dict[str, float]

    @property
    def end(self) -> float:
        """W2 squared of ours."""
        return self.start - sum(self.gains.values())

    def share(self, gain: float) -> float:
        """Return a gain as a share of where the way starts."""
        return gain / self.start


def way(averages: Means, num_points: int, stops: dict[str, Stop], quantity: str) -> Way:
    """Walk from stop to stop."""
    start = before = value(averages, (num_points, *_START), quantity)
    gains: dict[str, float] = {}
    for name, stop in stops.items():
        after = value(averages, (num_points, *stop), quantity)
        gain = before - after
        gains[name], before = gain if abs(gain) > _ROUNDING * start else 0.0, after
    return Way(start, gains)


def sentences(averages: Means, points: Sequence[int], solvers: Sequence[str]) -> list[str]:
    """Tell for each number of points what every step gains; nothing if a solver is missing."""
    if not {THEIRS, OURS} <= set(solvers):
        return []
    told: list[str] = []
    for k in points:
        first, by_weights, by_shrinkage = (
            way(averages, k, stops, "w2_held_out")
            for stops in (POINTS_FIRST, WEIGHTS_FIRST, SHRINKAGE_FIRST)
        )
        told += [
            f"K = {k}, points first: from D4M with uniform weights to ours with masses and "
            f"shrinkage, held-out W2² goes from {figure(first.start)} to {figure(first.end)} "
            f"({percent(first.end / first.start - 1)}): {_steps(first)} of the former.",
            f"K = {k}, weights first (D4M's own counts): of the same way, {_steps(by_weights)}.",
            f"K = {k}, shrinkage first: of the same way, {_steps(by_shrinkage)}.",
            f"K = {k}, in-sample against held-out: "
            f"{_generalization(way(averages, k, POINTS_FIRST, 'w2_fit'), first)}.",
        ]
    return told


def _steps(way: Way) -> str:
    return ", ".join(f"{name} {percent(-way.share(gain))}" for name, gain in way.gains.items())


def _generalization(inside: Way, outside: Way) -> str:
    """Compare the gains; shrinkage costs in-sample by design, so it has no ratio."""
    pairs = {name: (inside.gains[name], outside.gains[name]) for name in POINTS_FIRST}
    (points, weights) = pairs["points"], pairs["weights"]
    pairs["points and weights"] = (points[0] + weights[0], points[1] + weights[1])
    told = [
        f"{name} gain {figure(fitted)} in-sample and {figure(held)} held-out"
        + (f", ratio {held / fitted:.2f}" if fitted > 0 else "")
        for name, (fitted, held) in pairs.items()
    ]
    return "; ".join(told)
