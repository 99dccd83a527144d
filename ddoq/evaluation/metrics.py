"""Metrics computed from accuracies: of a set's labels, its augmentation and its transfer.

HLR, IOR, LRS and ARS are those of "DD-Ranking: Rethinking the Evaluation of Dataset Distillation"
(2025). The rank correlation is tau-b of "The Treatment of Ties in Ranking Problems" (1945).
Accuracies must be fractions. The published package exponentiates percent, and therefore
returns -1 / (e^2 - 1) = -0.156 for almost any set.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from statistics import fmean
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ddoq.errors import UsageError
from ddoq.evaluation.score import LEVEL, Score

_FEWEST_ARCHITECTURES = 5


def hard_label_recovery(real_hard: float, synthetic_hard: float) -> float:
    """Return HLR: the accuracy lost by training on the set instead of all data, with hard labels.

    >>> hard_label_recovery(0.75, 0.5)
    0.25
    """
    _refuse_outside(0, real_hard, synthetic_hard)
    return real_hard - synthetic_hard


def improvement_over_random(synthetic: float, random: float) -> float:
    """Return IOR: the set's gain over as many random images, both under the set's recipe.

    >>> improvement_over_random(0.75, 0.5)
    0.25
    """
    _refuse_outside(0, synthetic, random)
    return synthetic - random


def label_robust_score(ior: float, hlr: float, *, weight: float = 0.5) -> float:
    """Return LRS, from `weight` times the gain over random minus (1 - `weight`) times the loss.

    It ranges from 0 to 1. With neither gain nor loss it is 1 / (e + 1).

    >>> round(label_robust_score(0.0, 0.0), 4)
    0.2689
    """
    return _robust_score(ior, -hlr, weight)


def augmentation_robust_score(
    with_augmentation: float, without: float, *, weight: float = 0.5
) -> float:
    """Return ARS, from the gains over random images with and without the recipe's augmentation.

    It has the scale of `label_robust_score`.
    """
    return _robust_score(with_augmentation, without, weight)


def over_seeds(metric: Callable[..., float], *values: Sequence[float]) -> Score:
    """Return a metric's score over seeds. The i-th values of all arguments belong to one seed.

    To score scores, pass their `values`.

    >>> over_seeds(improvement_over_random, [0.75, 1.0], [0.5, 0.5]).values
    (0.25, 0.5)
    """
    numbers = sorted({len(v) for v in values})
    if len(numbers) > 1:
        raise UsageError(
            f"values of {' and '.join(map(str, numbers))} seeds cannot be paired",
            "give those of the seeds that all have, in the same order",
        )
    return Score(tuple(metric(*of_seed) for of_seed in zip(*values, strict=True)))


def generalization_gap(of_student: Mapping[str, float], own: str) -> float:
    """Return the accuracy on the distiller's own architecture minus the mean over the others.

    >>> generalization_gap({"convnet": 0.75, "resnet": 0.5, "vit": 0.25}, "convnet")
    0.375
    """
    others = [accuracy for student, accuracy in of_student.items() if student != own]
    if own not in of_student or not others:
        raise UsageError(
            f"no gap between {own} and others in {', '.join(of_student) or 'no students'}",
            "evaluate on the distiller's own architecture and at least one other",
        )
    _refuse_outside(0, *of_student.values())
    return of_student[own] - fmean(others)


@dataclass(frozen=True)
class RankCorrelation:
    """Kendall's tau-b of two rankings of `n` architectures."""

    tau: float
    interval: tuple[float, float] | None
    """The 95 % bootstrap interval; None if tau is 1 or -1, as all resamples agree then."""
    n: int
    p: float
    """Two-sided, of no association: exact without ties, else by the normal approximation."""


def kendall(
    first: Sequence[float], second: Sequence[float], *, bootstrap: int = 2000, seed: int = 0
) -> RankCorrelation:
    """Correlate two rankings of architectures, such as by training on the set and on all data.

    The interval consists of percentiles over resampled architectures. A resample without order,
    such as one architecture n times, has no tau: it counts as -1 for the lower end and as 1 for
    the upper.
    """
    _refuse_unranked(first, second)
    from scipy.stats import kendalltau

    n = len(first)
    (tau,) = _tau_b(np.ones((1, n)), first, second).tolist()
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=bootstrap)
    taus = _tau_b(draws.astype(np.float64), first, second)
    low = np.quantile(np.nan_to_num(taus, nan=-1), (1 - LEVEL) / 2)
    high = np.quantile(np.nan_to_num(taus, nan=1), (1 + LEVEL) / 2)
    interval = None if abs(tau) == 1 else (float(low), float(high))
    reference: Any = kendalltau(first, second)
    return RankCorrelation(tau, interval, n, float(reference.pvalue))


def _tau_b(
    counts: Float[ndarray, "b n"], first: Sequence[float], second: Sequence[float]
) -> Float[ndarray, " b"]:
    """Return tau-b of resamples that hold the i-th pair counts[i] times; NaN if it is undefined."""
    x, y = _signs(first), _signs(second)
    concordance, of_x, of_y = (((counts @ m) * counts).sum(1) for m in (x * y, x * x, y * y))
    size = np.sqrt(of_x * of_y)
    return np.divide(concordance, size, out=np.full(len(counts), np.nan), where=size > 0)


def _signs(values: Sequence[float]) -> Float[ndarray, "n n"]:
    """Return 1, 0 or -1 for each pair: the first is greater, equal or less."""
    return np.sign(np.subtract.outer(np.asarray(values, float), np.asarray(values, float)))


def _refuse_unranked(first: Sequence[float], second: Sequence[float]) -> None:
    if len(first) != len(second):
        raise UsageError(
            f"{len(first)} and {len(second)} accuracies cannot be paired",
            "give both of every architecture, in the same order",
        )
    if len(first) < _FEWEST_ARCHITECTURES:
        raise UsageError(
            f"a rank correlation of {len(first)} architectures is meaningless",
            f"evaluate on at least {_FEWEST_ARCHITECTURES}",
        )
    _refuse_outside(0, *first, *second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        raise UsageError(
            "all architectures have the same accuracy, so they have no order",
            "evaluate on architectures that differ",
        )


def _robust_score(first: float, second: float, weight: float) -> float:
    """Map the weighted mean a to (e^a - e^-1) / (e - e^-1)."""
    _refuse_outside(-1, first, second)
    if not 0 <= weight <= 1:
        raise UsageError(f"a weight of {weight:g} is outside [0, 1]", "give one from 0 to 1")
    mean = weight * first + (1 - weight) * second
    return (exp(mean) - exp(-1)) / (exp(1) - exp(-1))


def _refuse_outside(lowest: int, *values: float) -> None:
    for value in values:
        if not lowest <= value <= 1:
            raise UsageError(
                f"{value:g} is not {'a difference of fractions' if lowest else 'a fraction'}",
                "give accuracies from 0 to 1, not percent: 0.5 for 50 %",
            )
