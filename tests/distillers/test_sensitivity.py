"""Are scores what their definitions say, and are rows drawn with exactly their chances?"""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ddoq import keyed
from ddoq.distillers.sensitivity import (
    chances,
    draw,
    leverages,
    of_clusters,
    of_regression,
    sensitivities,
    systematic,
)


def rows(n: int, dim: int, seed: int = 0) -> Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def test_the_sensitivities_on_a_line_by_hand():
    # The squares are 0, 1, 0, 9, their sum is 10, and each cluster has two rows.
    x, centers = torch.tensor([[0.0], [1.0], [10.0], [13.0]]), torch.tensor([[0.0], [10.0]])
    assert sensitivities(x, centers).tolist() == pytest.approx([0.5, 0.6, 0.5, 1.4])


@given(st.integers(0, 99), st.integers(1, 9))
def test_the_total_sensitivity_is_at_most_one_more_than_the_centers(seed: int, k: int):
    x = rows(20, 3, seed)
    assert float(sensitivities(x, x[:k]).sum()) == pytest.approx(1 + k)
    # A center that nothing is near to adds nothing.
    far = torch.cat([x[:k], torch.full((1, 3), 1e3)])
    assert float(sensitivities(x, far).sum()) == pytest.approx(1 + k)
    assert float(sensitivities(x[:k], x[:k]).sum()) == pytest.approx(k)


def test_a_sensitivity_bounds_the_share_in_the_cost_of_any_centers():
    x = rows(30, 2)
    scores, _ = of_clusters(x, 3, keyed.generator("test"))
    for seed in range(300):
        squares = torch.cdist(x, 2 * rows(3, 2, seed)).square().min(1).values
        # The bound of Bachem et al. 2017, with the factors of a seeding 8 times as bad as the best.
        assert bool((squares / squares.sum() <= 16 * scores).all())


@pytest.mark.parametrize("ridge", [1e-3, 1.0, 50.0])
def test_leverages_sum_to_the_effective_dimension(ridge: float):
    x = rows(25, 4).double()
    values = torch.linalg.eigvalsh(x @ x.T)
    found = leverages(x @ x.T, ridge)
    assert float(found.sum()) == pytest.approx(float((values / (values + ridge)).sum()), abs=1e-9)
    assert bool(((found > 0) & (found < 1)).all())


def test_a_leverage_is_the_pull_of_a_rows_own_value():
    x, y = rows(12, 3).double(), rows(12, 1, 1).double()
    kernel = x @ x.T

    def predicted(values: Tensor) -> Tensor:
        return kernel @ torch.linalg.solve(kernel + 0.3 * torch.eye(12), values)

    moved = y.clone()
    moved[5] += 1
    assert float((predicted(moved) - predicted(y))[5]) == pytest.approx(
        float(leverages(kernel, 0.3)[5])
    )


@pytest.mark.parametrize(("n", "dim"), [(40, 6), (12, 30)])
def test_the_ridge_of_a_size_leaves_at_most_twice_as_many_dimensions(n: int, dim: int):
    x, k = rows(n, dim), 3
    found, _ = of_regression(x, k, keyed.generator("test"))
    assert 0 < float(found.sum()) - 1 <= 2 * k
    centered = x.double() - x.double().mean(0)
    ridge = float(torch.linalg.eigvalsh(centered @ centered.T)[:-k].sum()) / k
    expected = leverages(centered @ centered.T, ridge) + 1 / n
    assert torch.allclose(found, expected, atol=1e-9)


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=12), st.data())
def test_chances_are_proportional_to_scores_but_none_is_above_one(scores: list[float], data):
    k = data.draw(st.integers(1, len(scores)))
    s = torch.tensor(scores, dtype=torch.float64)
    found = chances(s, k)
    assert float(found.sum()) == pytest.approx(k)
    assert float(found.max()) <= 1
    free = found < 1
    if int(free.sum()) > 1:
        ratio = found[free] / s[free]
        assert float(ratio.max() / ratio.min()) == pytest.approx(1)
        # A certain row would have had more than one.
        assert bool((s[~free] * ratio.max() >= 1 - 1e-9).all())


def test_every_query_costs_on_average_what_it_costs_on_all_rows():
    # All draws that there are: which rows are taken changes only at the fractions of these sums.
    found = chances(sensitivities(rows(9, 2), rows(3, 2)), 4)
    marks = sorted({0.0, 1.0, *(float(c) % 1 for c in found.cumsum(0))})
    costs = torch.cdist(rows(9, 2), rows(5, 2, 7)).double()
    mean = torch.zeros(5, dtype=torch.float64)
    for low, high in pairwise(marks):
        taken = systematic(found, (low + high) / 2)
        assert len(set(taken.tolist())) == 4
        mean += (high - low) * (costs[taken] / found[taken, None]).sum(0)
    assert torch.allclose(mean, costs.sum(0), rtol=1e-12)


@pytest.mark.parametrize("spot", [0.0, 0.5, 1 - 2**-53])
def test_a_row_without_a_chance_is_never_drawn(spot: float):
    found = chances(torch.tensor([0.0, 1.0, 0.0, 2.0, 2.0, 0.0], dtype=torch.float64), 2)
    assert set(systematic(found, spot).tolist()) <= {1, 3, 4}


def test_a_small_far_cluster_is_drawn_from_where_uniform_draws_miss_it():
    k, n, trials = 5, 200, 200
    x = rows(n, 2)
    # One in a hundred.
    x[:2] += 40
    hits = 0
    for trial in range(trials):
        generator = keyed.generator("trial", trial)
        scores, clusters = of_clusters(x, k, generator)
        hits += bool((draw(x, scores, clusters, k, generator)[0] < 2).any())
    # Its rows' chances sum to at least k / (1 + k), as they are a cluster.
    least = k / (1 + k)
    assert hits / trials > least - 3 * math.sqrt(least * (1 - least) / trials)
    uniform = 1 - math.comb(n - 2, k) / math.comb(n, k)
    assert uniform < 0.05


def test_of_near_copies_one_is_drawn_and_stands_for_all():
    x = torch.cat([rows(20, 8)[:1].repeat(30, 1), rows(20, 8, 1)])
    x[:30] += 1e-3 * rows(30, 8, 2)
    scores, clusters = torch.ones(50, dtype=torch.float64), torch.zeros(50, dtype=torch.int64)
    for seed in range(20):
        found, stands_for = draw(x, scores, clusters, 10, keyed.generator("copies", seed))
        assert int((found < 30).sum()) <= 1
        assert len(set(found.tolist())) == 10
        if len(copy := (found < 30).nonzero()):
            # It stands for the copies that came up in the draw, and itself.
            assert float(stands_for[copy]) > 1


def test_copies_are_drawn_where_there_is_nothing_else():
    scores, clusters = torch.ones(7, dtype=torch.float64), torch.zeros(7, dtype=torch.int64)
    found, _ = draw(torch.ones(7, 2), scores, clusters, 4, keyed.generator("same"))
    assert len(set(found.tolist())) == 4
