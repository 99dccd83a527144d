"""How much of the way from D4M to ours is points, how much weights, how much shrinkage?

All steps but the last sentence's are of W2^2 on held-out latents. Steps add up to the whole, and
their shares depend on the order in which they are taken; so both orders are told.
"""

from collections.abc import Sequence

from ddoq.ablate.means import Key, Means, value

THEIRS, OURS, SHRUNK = "d4m", "lloyd", "directions"
_START = (THEIRS, "none", "uniform")
_POINTS_FIRST = {
    "points": (OURS, "none", "uniform"),
    "weights": (OURS, "none", "mass"),
    "shrinkage": (OURS, SHRUNK, "mass"),
}
_WEIGHTS_FIRST = {
    "weights": (THEIRS, "none", "mass"),
    "points": (OURS, "none", "mass"),
    "shrinkage": (OURS, SHRUNK, "mass"),
}


def sentences(averages: Means, points: Sequence[int], solvers: Sequence[str]) -> list[str]:
    """Tell for every number of points what each step gains; nothing if a solver is missing."""
    if not {THEIRS, OURS} <= set(solvers):
        return []
    told: list[str] = []
    for k in points:
        told += [
            f"K = {k}, points first: {_gains(averages, k, _POINTS_FIRST)}.",
            f"K = {k}, weights first: {_gains(averages, k, _WEIGHTS_FIRST)}.",
            f"K = {k}, what generalizes: {_generalization(averages, k)}.",
        ]
    return told


def steps(
    averages: Means, num_points: int, path: dict[str, tuple[str, str, str]], quantity: str
) -> dict[str, float]:
    """Return by how much each step of a path lowers a quantity."""
    before, gains = value(averages, (num_points, *_START), quantity), dict[str, float]()
    for name, stop in path.items():
        after = value(averages, (num_points, *stop), quantity)
        gains[name], before = before - after, after
    return gains


def _gains(averages: Means, k: int, path: dict[str, tuple[str, str, str]]) -> str:
    start = value(averages, (k, *_START), "w2_held_out")
    gains = steps(averages, k, path, "w2_held_out")
    total = sum(gains.values())
    parts = [f"{name} {_signed(gain)}{_share(gain, total, start)}" for name, gain in gains.items()]
    return (
        f"held-out W2² falls from {figure(start)} (D4M, uniform weights) to "
        f"{figure(start - total)} (ours, mass, shrunk), {_signed(100 * total / start)} %: "
        + ", ".join(parts)
    )


def _generalization(averages: Means, k: int) -> str:
    inside = steps(averages, k, _POINTS_FIRST, "w2_fit")
    outside = steps(averages, k, _POINTS_FIRST, "w2_held_out")
    inside["points and weights"] = inside["points"] + inside["weights"]
    outside["points and weights"] = outside["points"] + outside["weights"]
    inside["all"], outside["all"] = (sum(s[n] for n in _POINTS_FIRST) for s in (inside, outside))
    parts = [
        f"{name} gain {figure(inside[name])} in-sample and {figure(outside[name])} held-out"
        f"{_ratio(outside[name], inside[name])}"
        for name in ("points", "weights", "points and weights", "shrinkage", "all")
    ]
    return "; ".join(parts)
