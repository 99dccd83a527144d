import math
from dataclasses import replace

import pytest
import torch

pytest.importorskip("benchmarks", reason="benchmarks are not in the sdist")

from benchmarks.theory import cube, diffusion, gradients, optima
from benchmarks.theory.checks import CHECKS, failures
from benchmarks.theory.finding import QUICK, Check, Curve, Finding
from ddoq.distillers import weighting
from ddoq.quantize.lloyd import Lloyd


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_claim_holds(check, seed: int):
    assert failures([check(QUICK, seed)]) == []


@pytest.mark.parametrize(
    ("relation", "measured", "holds"),
    [
        ("=", 1.05, True),
        ("=", 0.85, False),
        ("=", 1.15, False),
        ("≤", 0.2, True),
        ("≤", 1.15, False),
        ("≥", 7.0, True),
        ("≥", 0.85, False),
        ("=", math.nan, False),
        ("≥", math.inf, False),
    ],
)
def test_a_claim_holds_only_within_its_tolerance(relation, measured: float, holds: bool):
    assert Check("x", relation, 1.0, measured, 0.1).holds is holds


def test_a_failure_names_the_finding_the_claim_and_both_numbers():
    wrong = Finding("law", (Check("slope", "=", -1.0, -0.5, 0.1), Check("mass", "≤", 1.0, 0.5)))
    assert failures([wrong]) == ["law, slope: -0.5, not = -1 ± 0.1"]


def test_a_curve_finds_the_exponent_of_a_power_law():
    curve = Curve("law", (1.0, 2.0, 8.0), (3.0, 1.5, 0.375))
    assert curve.slope == pytest.approx(-1)
    assert curve.fitted == pytest.approx(curve.y)


def test_the_distance_of_two_clouds_is_that_of_the_cheaper_match():
    x, y = torch.tensor([[0.0, 0.0], [10.0, 0.0]]), torch.tensor([[12.0, 0.0], [2.0, 0.0]])
    assert diffusion.w2(x, y) == pytest.approx(2)


def test_the_score_is_the_gradient_of_the_log_density():
    mixture, time = diffusion.Mixture(), 0.7
    x = torch.randn(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    spread = torch.eye(2, dtype=torch.float64) * mixture.variance(time)
    centers = math.exp(-time / 2) * mixture.means
    parts = torch.distributions.MultivariateNormal(centers, spread)
    shares = torch.distributions.Categorical(torch.tensor(mixture.shares).double())
    density = torch.distributions.MixtureSameFamily(shares, parts)
    (expected,) = torch.autograd.grad(density.log_prob(x).sum(), x)
    torch.testing.assert_close(mixture.score(x.detach(), time), expected)


def test_the_score_is_nowhere_steeper_than_its_bound():
    mixture, generator = diffusion.Mixture(), torch.Generator().manual_seed(0)
    for time in (0.05, 0.5, 2.0):
        for x in diffusion.normal(20, generator):
            jacobian = torch.autograd.functional.jacobian(
                lambda z, t=time: mixture.score(z[None], t)[0], x
            )
            assert torch.linalg.eigvalsh(jacobian).max() <= mixture.steepness(time) + 1e-9


@pytest.mark.parametrize("has_noise", [False, True])
def test_denoising_undoes_the_noising(has_noise: bool):
    generator, mixture = torch.Generator().manual_seed(0), diffusion.Mixture()
    x, noise = mixture.sample(20_000, generator), diffusion.normal(20_000, generator)
    steps = torch.stack([diffusion.normal(20_000, generator) for _ in range(60)])
    back = diffusion.denoised(
        mixture, diffusion.noised(x, noise, 2.0), steps if has_noise else None
    )
    torch.testing.assert_close(back.mean(0), x.mean(0), atol=0.03, rtol=0)
    torch.testing.assert_close(back.T.cov(), x.T.cov(), atol=0.04, rtol=0)


def test_the_weights_of_a_class_are_the_schemes_shares():
    weights = gradients.class_weights(torch.tensor([0.64, 0.36]))
    assert weights["uniform"].tolist() == pytest.approx([0.5, 0.5])
    assert weights["mass"].tolist() == pytest.approx([0.64, 0.36])
    assert weights["root"].tolist() == pytest.approx([0.8 / 1.4, 0.6 / 1.4])


class Random(Lloyd):
    """A solver that does not solve: the first latents, squeezed into a corner."""

    def __call__(self, latents, num_points, *, generator):
        return latents[:num_points] * 0.1


@pytest.mark.parametrize(
    ("module", "check"),
    [
        (optima, optima.optimal_points),
        (cube, cube.zador),
        (gradients, gradients.expected_gradients),
    ],
)
def test_a_bad_solver_is_found_out(module, check, monkeypatch):
    monkeypatch.setattr(module, "Lloyd", Random)
    assert failures([check(QUICK, 0)])


def test_swapped_weights_are_found_out(monkeypatch):
    swapped = {"mass": weighting.uniform, "root": weighting.root, "uniform": weighting.mass}
    monkeypatch.setattr(gradients, "_WEIGHTINGS", swapped)
    assert failures([gradients.expected_gradients(QUICK, 0)])


def test_a_step_that_is_not_one_over_count_is_found_out(monkeypatch):
    right = optima.functional.running_means

    def slow(latents, points, counts):
        return right(latents, points, counts + 1)

    monkeypatch.setattr(optima.functional, "running_means", slow)
    assert failures([optima.running_mean(QUICK, 0)])


def test_a_diffusion_that_pulls_apart_is_found_out(monkeypatch):
    score = diffusion.Mixture.score
    monkeypatch.setattr(diffusion.Mixture, "score", lambda self, x, t: -score(self, x, t))
    assert failures([diffusion.push_forward(replace(QUICK, num_points=(4, 8)), 0)])
