from collections.abc import Callable
from functools import partial
from math import e
from statistics import fmean

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from torchmetrics.functional.classification import multiclass_calibration_error

from ddoq.errors import UsageError
from ddoq.evaluation.metrics import (
    augmentation_robust_score,
    generalization_gap,
    hard_label_recovery,
    improvement_over_random,
    kendall,
    label_robust_score,
    over_seeds,
)

ROBUST = [label_robust_score, augmentation_robust_score]
differences = st.floats(-1, 1)
shares = st.floats(0, 1)
UP = [0.1, 0.2, 0.3, 0.4, 0.5]
# Sixteenths: there are ties, and squares and differences from 1 are exact.
accuracies = st.lists(
    st.tuples(st.integers(0, 16), st.integers(0, 16)), min_size=5, max_size=12
).map(lambda pairs: tuple([n / 16 for n in column] for column in zip(*pairs, strict=True)))
quick = partial(kendall, bootstrap=50)


def ordered(first: list[float], second: list[float]) -> None:
    assume(len(set(first)) > 1 and len(set(second)) > 1)


def test_a_worked_label_robust_score():
    hlr = hard_label_recovery(0.8, 0.5)
    ior = improvement_over_random(0.6, 0.5)
    assert (hlr, ior) == pytest.approx((0.3, 0.1))
    # a = (0.1 - 0.3) / 2 = -0.1; (0.904837 - 0.367879) / 2.350402 = 0.228454.
    assert label_robust_score(ior, hlr) == pytest.approx(0.228454, abs=1e-6)
    # a = 0.25 * 0.1 - 0.75 * 0.3 = -0.2; (0.818731 - 0.367879) / 2.350402 = 0.191819.
    assert label_robust_score(ior, hlr, weight=0.25) == pytest.approx(0.191819, abs=1e-6)


def test_a_worked_augmentation_robust_score():
    # b = (0.2 + 0.1) / 2 = 0.15; (1.161834 - 0.367879) / 2.350402 = 0.337795.
    assert augmentation_robust_score(0.2, 0.1) == pytest.approx(0.337795, abs=1e-6)
    # b = 0.2; (1.221403 - 0.367879) / 2.350402 = 0.363140.
    assert augmentation_robust_score(0.2, 0.1, weight=1.0) == pytest.approx(0.363140, abs=1e-6)


def test_the_label_robust_score_ends_at_zero_and_one():
    assert (label_robust_score(-1.0, 1.0), label_robust_score(1.0, -1.0)) == (0, 1)


def test_the_augmentation_robust_score_ends_at_zero_and_one():
    ends = [augmentation_robust_score(x, x) for x in (-1.0, 1.0)]
    assert ends == [0, 1]


@pytest.mark.parametrize("score", ROBUST)
def test_a_set_as_good_as_its_references_scores_one_over_e_plus_one(score: Callable[..., float]):
    # (1 - 1/e) / (e - 1/e) = (e - 1) / (e^2 - 1).
    assert score(0.0, 0.0) == pytest.approx(1 / (e + 1), rel=1e-15)


@given(differences, differences, differences, shares)
def test_the_label_robust_score_rises_with_the_gain_and_falls_with_the_loss(
    ior: float, hlr: float, other: float, weight: float
):
    score = partial(label_robust_score, weight=weight)
    low, high = sorted((ior, other))
    assert -1e-12 <= score(low, hlr) <= score(high, hlr) <= 1 + 1e-12
    low, high = sorted((hlr, other))
    assert score(ior, low) >= score(ior, high)


@given(differences, differences, differences, shares)
def test_the_augmentation_robust_score_rises_with_both_gains(
    a: float, b: float, other: float, weight: float
):
    score = partial(augmentation_robust_score, weight=weight)
    low, high = sorted((a, other))
    assert -1e-12 <= score(low, b) <= score(high, b) <= 1 + 1e-12
    assert score(b, low) <= score(b, high)


@pytest.mark.parametrize(
    "measure",
    [
        lambda: hard_label_recovery(80.0, 0.5),
        lambda: hard_label_recovery(0.8, 50.0),
        lambda: improvement_over_random(60.0, 50.0),
        lambda: improvement_over_random(0.6, -0.1),
        lambda: improvement_over_random(0.6, float("nan")),
        lambda: label_robust_score(10.0, 0.3),
        lambda: label_robust_score(0.1, 30.0),
        lambda: augmentation_robust_score(0.2, -10.0),
        lambda: generalization_gap({"a": 0.9, "b": 80.0}, "a"),
        lambda: kendall([10.0 * x for x in range(1, 6)], UP),
        lambda: kendall(UP, [float("nan")] * 5),
    ],
)
def test_percent_and_whatever_else_is_no_fraction_is_refused(measure: Callable[[], object]):
    with pytest.raises(UsageError, match=r"is not a (difference of )?fractions?\n.*not percent"):
        measure()


@pytest.mark.parametrize("weight", [-0.1, 1.1, 50.0, float("nan")])
@pytest.mark.parametrize("score", ROBUST)
def test_a_weight_that_is_no_share_is_refused(score: Callable[..., float], weight: float):
    with pytest.raises(UsageError, match="is outside"):
        score(0.1, 0.1, weight=weight)


def test_seeds_are_paired():
    # Both vary by 0.1 over seeds, their difference by 0.01: t(0.975, 2) 0.01 / sqrt(3) = 0.024841.
    ior = over_seeds(improvement_over_random, [0.51, 0.60, 0.69], [0.40, 0.50, 0.60])
    assert ior.values == pytest.approx((0.11, 0.10, 0.09))
    assert ior.half_width == pytest.approx(0.024841, abs=1e-6)


def test_a_score_of_scores_is_taken_seed_by_seed():
    ior = over_seeds(improvement_over_random, [0.6, 0.9], [0.5, 0.5])
    hlr = over_seeds(hard_label_recovery, [0.8, 0.8], [0.5, 0.6])
    score = over_seeds(label_robust_score, ior.values, hlr.values)
    each = label_robust_score(0.1, 0.3), label_robust_score(0.4, 0.2)
    assert score.values == pytest.approx(each)
    # The map is convex: the score of the means, a = 0, is less.
    assert score.mean > label_robust_score(0.25, 0.25)


def test_seeds_without_a_partner_are_refused():
    with pytest.raises(UsageError, match="values of 2 and 3 seeds cannot be paired"):
        over_seeds(improvement_over_random, [0.6, 0.7, 0.8], [0.5, 0.5])
    with pytest.raises(ValueError, match="at least one"):
        over_seeds(improvement_over_random, [], [])


def test_a_worked_generalization_gap():
    # 0.9 - (0.8 + 0.6) / 2.
    assert generalization_gap({"a": 0.8, "conv": 0.9, "b": 0.6}, "conv") == pytest.approx(0.2)


@pytest.mark.parametrize("of_student", [{}, {"conv": 0.9}, {"a": 0.8, "b": 0.6}])
def test_a_gap_needs_the_own_architecture_and_another(of_student: dict[str, float]):
    with pytest.raises(UsageError, match="no gap between conv"):
        generalization_gap(of_student, "conv")


def test_a_worked_rank_correlation():
    # One of ten pairs is discordant: (9 - 1) / 10. Of the 120 orders, 1 has none discordant and 4
    # have one; as many lie at the other end: 2 * 5 / 120.
    found = kendall(UP, [0.1, 0.2, 0.3, 0.5, 0.4])
    assert (found.tau, found.n) == (pytest.approx(0.8), 5)
    assert found.p == pytest.approx(10 / 120)


def test_a_worked_rank_correlation_with_a_tie():
    # Nine pairs agree; the first orders nine, the second ten: 9 / sqrt(90).
    assert kendall([0.1, 0.1, 0.2, 0.3, 0.4], UP).tau == pytest.approx(0.948683, abs=1e-6)


@given(accuracies)
def test_tau_and_its_p_value_are_scipys(values: tuple[list[float], list[float]]):
    ordered(*values)
    found, expected = quick(*values), stats.kendalltau(*values)
    assert found.tau == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue, abs=1e-12)


def test_the_interval_is_of_percentiles_of_scipys_tau_over_resampled_architectures():
    first = [0.1, 0.3, 0.2, 0.2, 0.5, 0.6, 0.4, 0.7]
    second = [0.2, 0.1, 0.4, 0.3, 0.6, 0.6, 0.9, 0.5]
    draws = np.random.default_rng(7).multinomial(8, [1 / 8] * 8, size=200)
    taus = [stats.kendalltau(np.repeat(first, n), np.repeat(second, n)).statistic for n in draws]
    expected = tuple(np.quantile(taus, [0.025, 0.975]))
    assert kendall(first, second, bootstrap=200, seed=7).interval == pytest.approx(expected)


@given(accuracies)
def test_tau_and_its_interval_are_between_minus_one_and_one(values):
    ordered(*values)
    found = quick(*values)
    low, high = found.interval or (found.tau, found.tau)
    assert -1 <= low <= high <= 1
    assert -1 <= found.tau <= 1


@given(accuracies)
def test_a_rank_correlation_is_symmetric(values):
    ordered(*values)
    assert quick(*values) == quick(*reversed(values))


@given(accuracies)
def test_a_rank_correlation_sees_the_order_alone(values):
    ordered(*values)
    first, second = values
    assert quick([x * x for x in first], second) == quick(first, second)


@given(accuracies)
def test_a_reversed_order_has_the_opposite_tau(values):
    ordered(*values)
    first, second = values
    assert quick([1 - x for x in first], second).tau == -quick(first, second).tau


@pytest.mark.parametrize(("second", "tau"), [(UP, 1), (UP[::-1], -1)])
def test_a_perfect_order_has_no_interval(second: list[float], tau: float):
    found = kendall(UP, second)
    assert (found.tau, found.interval) == (tau, None)
    # Two of the 120 orders are perfect.
    assert found.p == pytest.approx(2 / 120)


def test_resamples_without_an_order_widen_the_interval():
    # All five draws are among the four that tie with probability 0.8^5 = 0.33, above 0.025.
    found = kendall([0.5, 0.5, 0.5, 0.5, 0.6], UP)
    # Four pairs agree; the first orders four, the second ten: 4 / sqrt(40).
    assert found.tau == pytest.approx(0.632456, abs=1e-6)
    assert found.interval == (-1, 1)


def test_fewer_than_five_architectures_are_refused():
    with pytest.raises(UsageError, match="4 architectures is meaningless"):
        kendall(UP[:4], UP[:4])


def test_rankings_of_unequal_length_are_refused():
    with pytest.raises(UsageError, match="6 and 5 accuracies"):
        kendall([*UP, 0.6], UP)


@pytest.mark.parametrize("values", [(UP, [0.5] * 5), ([0.5] * 5, UP)])
def test_equal_accuracies_have_no_order(values: tuple[list[float], list[float]]):
    with pytest.raises(UsageError, match="so they have no order"):
        kendall(*values)


def expected_calibration_error(confidences: list[float], correct: list[bool], bins: int) -> float:
    trainings: dict[int, list[float]] = {}
    for confidence, hit in zip(confidences, correct, strict=True):
        trainings.setdefault(int(confidence * bins), []).append(hit - confidence)
    return sum(len(gaps) * abs(fmean(gaps)) for gaps in trainings.values()) / len(correct)


def test_a_worked_calibration_error():
    # Bins of 0.5: the first errs by |0 - 0.4|, the second by |1/2 - 0.8|: (0.4 + 2 * 0.3) / 3.
    found = expected_calibration_error([0.4, 0.7, 0.9], [False, True, False], 2)
    assert found == pytest.approx(1 / 3)


def test_torchmetrics_calibration_error_is_that_of_fifteen_bins():
    probabilities = torch.rand(200, 4, generator=torch.Generator().manual_seed(0)).square()
    probabilities /= probabilities.sum(1, keepdim=True)
    labels = torch.arange(200) % 4
    confidences, predicted = probabilities.max(1)
    expected = expected_calibration_error(confidences.tolist(), (predicted == labels).tolist(), 15)
    found = multiclass_calibration_error(probabilities, labels, num_classes=4)
    assert float(found) == pytest.approx(expected, abs=1e-6)
