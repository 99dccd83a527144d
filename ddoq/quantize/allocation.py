"""The number of points of each class where only the total is given.

A class's curve is its held-out distortion at some numbers of points. `gain` gives each next point
to the class that gains most by it. `zador` assumes that distortion falls as D_c K^(-2/d_c)
(Zador 1982) and equates the classes' marginal gains.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.errors import UsageError

# Smaller shares of a curve's largest distortion, or of the largest prior, are raised to this one,
# so that logarithms exist.
_ZERO = 1e-12
# A flat curve has no dimension; `zador` gives it this slope.
_LEAST_SLOPE = 1e-6


AllocationRule = Literal["gain", "zador"]


@dataclass(frozen=True)
class GainCurve:
    """The held-out distortion of a class at some numbers of points.

    One measurement makes a flat curve. A class of less than two latents needs no measurement.
    """

    num_points: tuple[int, ...]
    """Rising."""
    distortions: tuple[float, ...]

    def __post_init__(self) -> None:
        ks = self.num_points
        if len(ks) != len(self.distortions):
            raise ValueError(
                f"{len(ks)} numbers of points have {len(self.distortions)} distortions"
            )
        if any(b <= a for a, b in zip((0, *ks), ks, strict=False)):
            raise ValueError(f"numbers of points must rise from at least 1, got {ks}")
        if not all(0 <= d < math.inf for d in self.distortions):
            raise ValueError(f"distortions must be finite and not negative: {self.distortions}")


def allocate(
    curves: Sequence[GainCurve],
    priors: Float[Tensor, " classes"],
    sizes: Sequence[int],
    total: int,
    *,
    rule: AllocationRule = "gain",
) -> list[int]:
    """Return each class's number of points.

    They sum to `total`, or to the number of latents if there are fewer. A class gets at least one
    point and at most as many as it has latents; an empty class gets none.

    Args:
        curves: One for every class.
        priors: The weight of each class's distortion; only the ratios matter.
        sizes: The number of latents of each class.
        total: The number of points to spread.
        rule: How to spread them. Ties go to the class with fewer points (`gain`), then to the
            first.
    """
    _check(curves, priors, sizes, total)
    # A class with less than two latents leaves no choice, and may have no curve.
    result = torch.tensor(list(sizes), dtype=torch.int64)
    choosing = torch.nonzero(result > 1).flatten()
    limits, shares = result[choosing], priors.double().cpu()[choosing]
    spare = min(total, sum(sizes)) - int((result == 1).sum())
    if len(choosing):
        spread = _by_gain if rule == "gain" else _by_zador
        result[choosing] = spread([curves[c] for c in choosing.tolist()], shares, limits, spare)
    return result.tolist()


def _check(
    curves: Sequence[GainCurve], priors: Float[Tensor, " classes"], sizes: Sequence[int], total: int
) -> None:
    """Refuse what cannot be allocated."""
    if not len(curves) == len(priors) == len(sizes):
        raise ValueError(
            f"curves, priors and sizes must be of the same classes, "
            f"got {len(curves)}, {len(priors)} and {len(sizes)}"
        )
    if not bool((priors >= 0).all() & priors.isfinite().all()):
        raise ValueError(f"priors must be finite and not negative, got {priors.tolist()}")
    num_held = sum(size > 0 for size in sizes)
    if total < num_held:
        raise UsageError(
            f"{total} points cannot stand for {num_held} classes",
            f"give at least one point per class: {num_held} or more",
        )


def _by_gain(
    curves: Sequence[GainCurve],
    priors: Float[Tensor, " classes"],
    limits: Int[Tensor, " classes"],
    total: int,
) -> Int[Tensor, " classes"]:
    """Take the largest gains. A class's gains never rise, so this is the greedy choice."""
    spare = total - len(curves)
    most = limits.tolist()
    falls = np.concatenate(
        [p * gains(c, m) for c, p, m in zip(curves, priors.tolist(), most, strict=True)]
    )
    steps = np.concatenate([np.arange(1, m) for m in most])
    classes = np.repeat(np.arange(len(most)), np.array(most) - 1)
    best = np.lexsort((classes, steps, -falls))[:spare]
    return 1 + torch.from_numpy(np.bincount(classes[best], minlength=len(curves)))


def _by_zador(
    curves: Sequence[GainCurve],
    priors: Float[Tensor, " classes"],
    limits: Int[Tensor, " classes"],
    total: int,
) -> Int[Tensor, " classes"]:
    """Solve s_c pi_c D_c K_c^(-1 - s_c) = lambda, s_c = 2/d_c, between 1 and the limits.

    With one d for all, K_c is proportional to (pi_c D_c)^(d / (d + 2)).
    """
    slopes, intercepts = torch.tensor([_fit(c) for c in curves], dtype=torch.float64).T
    slopes = slopes.clamp_min(_LEAST_SLOPE)
    shares = (priors / priors.max().clamp_min(_ZERO)).clamp_min(_ZERO)
    logs = slopes.log() + shares.log() + intercepts
    longest = limits.double().log()

    def counts(level: float) -> Float[Tensor, " classes"]:
        return ((logs - level) / (1 + slopes)).clamp_min(0).minimum(longest).exp()

    low, high = float((logs - (1 + slopes) * longest).min()), float(logs.max())
    for _ in range(100):
        middle = (low + high) / 2
        if float(counts(middle).sum()) > total:
            low = middle
        else:
            high = middle
    return _largest_remainders(counts(high), limits, total)


def _largest_remainders(
    counts: Float[Tensor, " classes"], limits: Int[Tensor, " classes"], total: int
) -> Int[Tensor, " classes"]:
    """Round to integers that sum to `total`, within the limits. Ties go to the first class."""
    # A number just below an integer is that integer, less a rounding error.
    whole = (counts + 1e-9).floor().long().minimum(limits)
    remainders = torch.where(whole < limits, counts - whole, -1.0)
    order = remainders.sort(descending=True, stable=True).indices
    whole[order[: total - int(whole.sum())]] += 1
    return whole


def gains(curve: GainCurve, most: int) -> Any:
    """Return by how much each point after the first, up to `most`, lowers the curve.

    The curve follows a power law between measurements and below the first. Beyond the last it goes
    on with the fitted slope, but never more steeply than it ended, and it stays flat once it has
    stopped falling. The gains are those of the largest convex function that is nowhere above this
    curve, so they never rise.
    """
    from scipy.optimize import isotonic_regression

    falls = -np.diff(_interpolated(curve, most))
    # The slopes of the largest convex function below a sequence are its isotonic regression.
    return isotonic_regression(falls, increasing=False).x if most > 2 else falls


def _interpolated(curve: GainCurve, most: int) -> Any:
    """Return the curve at 1 to `most` points, never rising, but not yet convex."""
    if not any(curve.distortions):
        return np.zeros(most)
    logs, values = _logs(curve)
    falling = np.minimum.accumulate(values)
    fitted = max(0.0, _fit(curve)[0])
    last = -(falling[-1] - falling[-2]) / (logs[-1] - logs[-2]) if len(logs) > 1 else 0.0
    wanted = np.log(np.arange(1, most + 1))
    result = np.interp(wanted, logs, falling)
    result += fitted * np.maximum(0, logs[0] - wanted)
    result -= min(fitted, last) * np.maximum(0, wanted - logs[-1])
    return np.exp(result)


def _fit(curve: GainCurve) -> tuple[float, float]:
    """Return s and log D of the least-squares fit log distortion = log D - s log K."""
    logs, values = _logs(curve)
    centered = logs - logs.mean()
    slope = float(-(centered @ values) / (centered @ centered)) if len(logs) > 1 else 0.0
    return slope, float(values.mean() + slope * logs.mean())


def _logs(curve: GainCurve) -> tuple[Any, Any]:
    """Return log K and log distortion; a distortion of zero becomes a very small one."""
    if not curve.num_points:
        raise ValueError("a curve of a class with two latents or more needs a measurement")
    values = np.array(curve.distortions, dtype=np.float64)
    largest = values.max() or 1.0
    return np.log(curve.num_points), np.log(np.maximum(values, _ZERO * largest))
