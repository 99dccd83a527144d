"""Is it the maximum mean discrepancy of the Gaussian kernels?"""

import pytest
import torch

from ddoq.objectives.mmd import MMD, squared_mmd


def sample(n: int, seed: int, dim: int = 3) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ones(x: torch.Tensor) -> torch.Tensor:
    return torch.ones(len(x))


def distance(a: torch.Tensor, b: torch.Tensor, **how) -> float:
    return float(squared_mmd(a, b, weights_a=ones(a), weights_b=ones(b), **how))


def test_it_is_the_sum_over_all_pairs_with_the_mean_distance_as_width():
    a, b = sample(5, 0), sample(4, 1)
    x = torch.cat([a, b])
    h = sum((p - q).square().sum() for p in x for q in x) / (9 * 8)

    def mean(u, v):
        kernels = [
            torch.exp(-(p - q).square().sum() / (h * 2.0**j))
            for p in u
            for q in v
            for j in range(-2, 3)
        ]
        return float(sum(kernels)) / (len(u) * len(v))

    assert distance(a, b) == pytest.approx(mean(a, a) - 2 * mean(a, b) + mean(b, b), rel=1e-9)


def test_order_does_not_matter_and_it_is_not_negative():
    a, b = sample(6, 0), sample(6, 1)
    assert distance(a, b) == pytest.approx(distance(b.flip(0), a.flip(0)), rel=1e-9)
    assert distance(a, a.flip(0)) == pytest.approx(0, abs=1e-12)
    assert distance(a, b) > 0


def test_the_linear_kernel_is_the_distance_of_the_means():
    a, b = sample(6, 0), sample(4, 1)
    wanted = float((a.mean(0) - b.mean(0)).square().sum())
    assert distance(a, b, kernel="linear") == pytest.approx(wanted, rel=1e-9)


def test_equal_means_and_other_variances_are_told_apart_as_the_closed_form_says():
    # E k(x, y) of two centered Gaussians of variances s and t: (1 + 2 (s + t) / w)^(-1/2).
    a, b = sample(800, 0, 1), 2 * sample(800, 1, 1)
    widths = [2.0**j for j in range(-2, 3)]

    def mean(s: float, t: float) -> float:
        return sum((1 + 2 * (s + t) / w) ** -0.5 for w in widths)

    closed = mean(1, 1) - 2 * mean(1, 4) + mean(4, 4)
    assert distance(a, b, kernel="linear") < 0.02
    assert distance(a, b, bandwidth=1.0) == pytest.approx(closed, rel=0.1)


def test_the_gradient_at_a_fixed_width_is_that_of_finite_differences():
    a, b = sample(5, 0), sample(3, 1).requires_grad_(True)
    how = {"weights_a": ones(a), "weights_b": torch.tensor([1.0, 2, 1])}
    torch.autograd.gradcheck(lambda b: squared_mmd(a, b, bandwidth=2.0, **how), (b,))


def test_one_image_against_itself_gives_no_nan(real, make_scene):
    one = real.of_class(0)
    images = one.images[:1].clone().requires_grad_(True)
    ones_ = type(one)(images, one.labels[:1], one.weights[:1])
    loss = MMD().loss(make_scene(ones_, ones_, 0))
    [gradient] = torch.autograd.grad(loss, images)
    assert loss == 0
    assert gradient.isfinite().all()
