"""Are entropic plans POT's, and pulls the gradient of the debiased loss?"""

import ot
import pytest
import torch

from ddoq.guides.sinkhorn import plan, pulls, symmetric_plan


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(7, 3).double()


@pytest.fixture
def points() -> torch.Tensor:
    return torch.randn(4, 3).double() + 0.5


MASSES = torch.tensor([0.4, 0.3, 0.2, 0.1]).double()
ROWS = torch.full((7,), 1 / 7).double()


def test_a_converged_plan_is_pots(x: torch.Tensor, points: torch.Tensor):
    costs = torch.cdist(x, points).square()
    expected = ot.sinkhorn(ROWS, MASSES, costs, 0.5, stopThr=1e-12, numItermax=5000, warn=False)
    found = plan(costs, ROWS, MASSES, temperature=0.5, iterations=2000)
    assert torch.allclose(found, expected, atol=1e-8)


def test_the_last_half_step_fits_the_masses_of_the_points(x: torch.Tensor, points: torch.Tensor):
    costs = torch.cdist(x, points).square()
    found = plan(costs, ROWS, MASSES, temperature=0.01, iterations=2)
    assert torch.allclose(found.sum(0), MASSES)
    assert not torch.allclose(found.sum(1), ROWS, atol=1e-3)


@pytest.mark.parametrize("tolerance", [0.1, 0.001])
def test_a_plan_ends_when_little_is_misplaced(
    x: torch.Tensor, points: torch.Tensor, tolerance: float
):
    costs = torch.cdist(x, points).square()
    found = plan(costs, ROWS, MASSES, temperature=0.05, iterations=3000, tolerance=tolerance)
    misplaced = float((found.sum(1) - ROWS).abs().sum())
    assert 1e-12 < misplaced <= tolerance
    own = torch.cdist(x, x).square()
    within = symmetric_plan(own, ROWS, temperature=5.0, iterations=3000, tolerance=tolerance)
    assert 1e-15 < float((within.sum(1) - ROWS).abs().sum()) <= tolerance


def test_a_plan_to_itself_has_both_marginals(x: torch.Tensor):
    costs, weights = torch.cdist(x, x).square(), torch.arange(1, 8).double() / 28
    found = symmetric_plan(costs, weights, temperature=1.0, iterations=200)
    assert torch.allclose(found.sum(0), weights)
    assert torch.allclose(found, found.T)


def test_a_pull_is_minus_half_the_gradient_of_the_debiased_loss(
    x: torch.Tensor, points: torch.Tensor
):
    """S = OT(x, y) - OT(x, x) / 2 - OT(y, y) / 2, by POT's potentials and autograd."""
    epsilon = 0.1
    converged = {"method": "sinkhorn_log", "numItermax": 3000, "warn": False}
    costs = torch.cdist(x, points).square()
    temperature = epsilon * float(costs.mean())
    moving = x.clone().requires_grad_()

    def entropic(a: torch.Tensor, b: torch.Tensor, r: torch.Tensor, c: torch.Tensor):
        cost = ot.dist(a, b)
        coupling = ot.sinkhorn(r, c, cost.detach(), temperature, **converged)
        # By the envelope theorem the plan is held fixed.
        return (coupling * cost).sum()

    across = entropic(moving, points, ROWS, MASSES)
    within = entropic(moving, moving, ROWS, ROWS)
    (across - within / 2).backward()
    found = pulls(x, points, ROWS, MASSES, epsilon=epsilon, iterations=3000)
    assert moving.grad is not None
    assert torch.allclose(found, -moving.grad / (2 * ROWS[:, None]), atol=1e-6)


def test_a_single_image_is_drawn_to_a_single_point():
    x, point = torch.randn(1, 5), torch.randn(1, 5)
    one = torch.ones(1)
    assert torch.allclose(pulls(x, point, one, one, epsilon=0.1, iterations=5), point - x)


def test_images_that_are_the_points_stay(points: torch.Tensor):
    found = pulls(points, points, MASSES, MASSES, epsilon=0.05, iterations=2000)
    assert float(found.abs().max()) < 1e-4


def test_far_coordinates_and_small_temperatures_stay_finite(x: torch.Tensor, points: torch.Tensor):
    found = pulls(1e4 * x, 1e4 * points, ROWS, MASSES, epsilon=1e-3, iterations=20)
    assert bool(found.isfinite().all())
