"""Do the integrators follow the exact ODE of a Gaussian mixture, whose score is known?"""

import pytest
import torch
from diffusers.schedulers.scheduling_edm_dpmsolver_multistep import (
    EDMDPMSolverMultistepScheduler,
)

from ddoq import keyed
from ddoq.decoders.integrate import INTEGRATORS, dpm, heun
from ddoq.priors import edm

MEANS, STDS, SHARES = (
    torch.tensor([[-1.0, 0.2], [0.8, 0.6], [0.1, -0.9]]).double(),
    torch.tensor([0.1, 0.2, 0.15]).double(),
    torch.tensor([0.5, 0.3, 0.2]).double(),
)


def denoise(x: torch.Tensor, level: float) -> torch.Tensor:
    """Return E[clean | x], exactly."""
    variances = STDS.square() + level**2
    far = (x[:, None] - MEANS).square().sum(2)
    logs = SHARES.log() - variances.log() - far / (2 * variances)
    part = logs.softmax(1)[:, :, None]
    shrunk = MEANS + (STDS.square() / variances)[:, None] * (x[:, None] - MEANS)
    return (part * shrunk).sum(1)


def levels(steps: int) -> torch.Tensor:
    return edm.levels(steps, sigma_min=0.002, sigma_max=80.0)


def start(num: int) -> torch.Tensor:
    return 80 * keyed.normal(5, torch.arange(num), (2,)).double()


@pytest.mark.parametrize("name", INTEGRATORS)
def test_a_gaussian_is_followed_to_its_closed_form(name: str):
    """x(0) = m + (x - m) s / sqrt(s^2 + sigma^2); 200 steps come within a thousandth."""
    x, mean, std = start(50), 0.3, 0.5

    def exact(y: torch.Tensor, level: float) -> torch.Tensor:
        return mean + std**2 / (std**2 + level**2) * (y - mean)

    expected = mean + (x - mean) * std / (std**2 + 80.0**2) ** 0.5
    found = INTEGRATORS[name](exact, x, levels(200))
    assert float((found - expected).abs().max()) < 1e-3


@pytest.mark.parametrize("name", INTEGRATORS)
def test_twice_the_steps_leave_a_quarter_of_the_error(name: str):
    """Both are of second order; measured down to a level above 0, where the ODE is smooth."""

    def solved(steps: int) -> torch.Tensor:
        falling = edm.levels(steps + 1, sigma_min=0.3, sigma_max=80.0)[:-1]
        return INTEGRATORS[name](denoise, start(100), falling)

    truth = solved(3000)
    errors = [float((solved(n) - truth).abs().mean()) for n in (40, 80, 160)]
    assert 3 < errors[0] / errors[1] < 5.5
    assert 3 < errors[1] / errors[2] < 5.5


@pytest.mark.parametrize(("name", "steps"), [("heun", 40), ("dpm", 80)])
def test_the_samples_are_those_of_the_mixture(name: str, steps: int):
    samples = INTEGRATORS[name](denoise, start(20_000), levels(steps))
    nearest = (samples[:, None] - MEANS).square().sum(2).argmin(1)
    shares = nearest.bincount(minlength=3) / len(samples)
    assert shares.tolist() == pytest.approx(SHARES.tolist(), abs=0.02)
    for k in range(3):
        of_k = samples[nearest == k]
        assert torch.allclose(of_k.mean(0), MEANS[k], atol=0.01)
        assert of_k.std(0).mean() == pytest.approx(float(STDS[k]), rel=0.05)


def test_dpm_is_diffusers_own():
    stock = EDMDPMSolverMultistepScheduler(solver_order=2, final_sigmas_type="zero")
    stock.set_timesteps(12)
    x = expected = start(30).float()
    for time in stock.timesteps:
        level = float(stock.sigmas[stock._step_index or 0])
        clean = denoise(expected.double(), level).float()
        # The scheduler asks for the network's output, of which preconditioning makes the image.
        total = level**2 + 0.5**2
        output = (clean - 0.25 / total * expected) * total**0.5 / (level * 0.5)
        expected = stock.step(output, time, expected).prev_sample
    ours = dpm(lambda y, level: denoise(y.double(), level).float(), x, levels(12))
    assert torch.allclose(ours, expected, atol=2e-3)


def test_heun_asks_twice_a_step_and_dpm_once():
    asked: list[float] = []

    def counted(x: torch.Tensor, level: float) -> torch.Tensor:
        asked.append(level)
        return denoise(x, level)

    heun(counted, start(1), levels(18))
    assert len(asked) == 2 * 18 - 1
    asked.clear()
    dpm(counted, start(1), levels(18))
    assert asked == pytest.approx(levels(18)[:-1].tolist())


@pytest.mark.parametrize("name", INTEGRATORS)
def test_a_single_possible_image_is_found_in_any_number_of_steps(name: str):
    only = torch.tensor([[0.3, -0.7]]).double()
    found = INTEGRATORS[name](lambda x, _: only.expand_as(x), start(4), levels(3))
    assert torch.allclose(found, only.expand(4, 2), atol=1e-12)
