import itertools
from typing import Literal

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from ddoq.errors import UsageError
from ddoq.quantize.allocation import GainCurve, allocate, gains

AllocationRule = Literal["gain", "zador"]
RULES: tuple[AllocationRule, ...] = ("gain", "zador")
KS = (1, 2, 4, 8, 16)


def power_law(coefficient: float, dimension: float, ks: tuple[int, ...] = KS) -> GainCurve:
    return GainCurve(ks, tuple(coefficient * k ** (-2 / dimension) for k in ks))


def even(num: int) -> torch.Tensor:
    return torch.full((num,), 1 / num)


def random_curve(rng: np.random.Generator) -> GainCurve:
    return GainCurve((1, 2, 5), tuple(rng.uniform(0.1, 1, 3).tolist()))


def test_a_power_law_is_convex_already_and_goes_on_at_both_ends():
    curve = power_law(7.0, 5.0, (2, 4, 8))
    expected = -np.diff(7 * np.arange(1, 41) ** (-2 / 5))
    np.testing.assert_allclose(gains(curve, 40), expected)


def test_nothing_is_gained_once_the_curve_has_stopped_falling():
    found = gains(GainCurve((1, 4, 8), (4.0, 2.0, 2.5)), 20)
    assert found.sum() == pytest.approx(2.0)
    assert found[3:].tolist() == pytest.approx([0.0] * 16)


def test_a_bump_is_bridged_by_a_straight_line():
    # Flat from 1 to 2, then falling: the line from 1 to 3 lies below.
    assert gains(GainCurve((1, 2, 3), (4.0, 4.0, 2.0)), 3).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("seed", range(20))
def test_no_other_allocation_of_the_convex_curves_is_better(seed: int):
    rng = np.random.default_rng(seed)
    curves, priors = [random_curve(rng) for _ in range(3)], torch.tensor(rng.uniform(size=3))
    falls = [p * gains(c, 6) for c, p in zip(curves, priors.tolist(), strict=True)]

    def cost(counts: tuple[int, ...] | list[int]) -> float:
        return -sum(fall[: k - 1].sum() for fall, k in zip(falls, counts, strict=True))

    possible = [ks for ks in itertools.product(range(1, 7), repeat=3) if sum(ks) == 9]
    found = allocate(curves, priors, [6, 6, 6], 9)
    assert tuple(found) in possible
    assert cost(found) == pytest.approx(min(map(cost, possible)))


def test_of_one_dimension_the_shares_are_powers_of_the_coefficients():
    coefficients, priors = torch.tensor([1.0, 5.0, 20.0]), torch.tensor([0.5, 0.2, 0.3])
    curves = [power_law(c, 6.0) for c in coefficients.tolist()]
    found = allocate(curves, priors, [10**6] * 3, 100_000, rule="zador")
    shares = (priors * coefficients) ** (6 / 8)
    torch.testing.assert_close(torch.tensor(found) / 1e5, shares / shares.sum(), atol=2e-5, rtol=0)


def test_of_different_dimensions_zador_finds_the_least_sum():
    curves = [power_law(1.0, 3.0), power_law(1.0, 12.0)]

    def cost(k: float) -> float:
        return k ** (-2 / 3) + (1000 - k) ** (-2 / 12)

    best = minimize_scalar(cost, bounds=(1, 999), method="bounded").x
    found = allocate(curves, even(2), [1000, 1000], 1000, rule="zador")
    assert found[0] == pytest.approx(best, abs=1)


def test_on_power_laws_the_two_rules_agree():
    curves = [power_law(1.0, 3.0), power_law(4.0, 12.0), power_law(2.0, 7.0)]
    gain, zador = (allocate(curves, even(3), [500] * 3, 600, rule=rule) for rule in RULES)
    assert gain == pytest.approx(zador, abs=2)


@pytest.mark.parametrize("rule", RULES)
def test_equal_classes_share_evenly_and_the_first_get_the_rest(rule: AllocationRule):
    assert allocate([power_law(3.0, 4.0)] * 3, even(3), [50] * 3, 20, rule=rule) == [7, 7, 6]


@pytest.mark.parametrize("rule", RULES)
def test_permuted_classes_get_permuted_numbers(rule: AllocationRule):
    rng = np.random.default_rng(0)
    curves, priors = [random_curve(rng) for _ in range(6)], torch.tensor(rng.uniform(size=6))
    sizes, order = [30, 9, 80, 2, 17, 40], [3, 0, 5, 1, 4, 2]
    found = allocate(curves, priors, sizes, 100, rule=rule)
    permuted = allocate(
        [curves[c] for c in order], priors[order], [sizes[c] for c in order], 100, rule=rule
    )
    assert permuted == [found[c] for c in order]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("total", [4, 5, 23, 90, 157, 158])
def test_each_class_has_a_point_and_none_more_than_latents(rule: AllocationRule, total: int):
    rng = np.random.default_rng(1)
    curves, sizes = [random_curve(rng) for _ in range(3)], [100, 7, 50]
    found = allocate([*curves, GainCurve((), ())], even(4), [*sizes, 1], total, rule=rule)
    assert sum(found) == total
    assert all(1 <= k <= size for k, size in zip(found, [*sizes, 1], strict=True))


@pytest.mark.parametrize("rule", RULES)
def test_more_points_than_latents_make_every_latent_a_point(rule: AllocationRule):
    assert allocate([power_law(1.0, 4.0)] * 2, even(2), [3, 8], 99, rule=rule) == [3, 8]


@pytest.mark.parametrize("rule", RULES)
def test_an_empty_class_gets_none(rule: AllocationRule):
    curves = [power_law(1.0, 4.0), GainCurve((), ()), power_law(1.0, 4.0)]
    assert allocate(curves, even(3), [9, 0, 9], 6, rule=rule) == [3, 0, 3]


def test_a_class_that_gains_nothing_keeps_its_one_point():
    curves = [GainCurve((1,), (9.0,)), power_law(1.0, 4.0), GainCurve((1, 4), (0.0, 0.0))]
    for rule in RULES:
        assert allocate(curves, even(3), [50] * 3, 30, rule=rule) == [1, 28, 1]


def test_fewer_points_than_classes_are_refused():
    with pytest.raises(UsageError, match="2 points cannot stand for 3 classes"):
        allocate([power_law(1.0, 4.0)] * 4, even(4), [5, 5, 0, 5], 2)


@pytest.mark.parametrize(
    ("ks", "distortions"), [((1, 2), (1.0,)), ((2, 2), (1.0, 1.0)), ((0,), (1.0,)), ((1,), (-1.0,))]
)
def test_what_is_no_curve_is_refused(ks: tuple[int, ...], distortions: tuple[float, ...]):
    with pytest.raises(ValueError):
        GainCurve(ks, distortions)


@pytest.mark.parametrize("rule", RULES)
def test_a_thousand_classes_get_two_hundred_thousand_points(rule: AllocationRule):
    rng = np.random.default_rng(2)
    curves = [power_law(c, d) for c, d in rng.uniform((1, 5), (3, 60), (1000, 2)).tolist()]
    found = allocate(curves, even(1000), [1300] * 1000, 200_000, rule=rule)
    assert sum(found) == 200_000
    assert 1 <= min(found) < max(found) <= 1300
