"""Are preconditioning, loss and noise levels those of Karras et al. 2022?"""

import pytest
import torch
from diffusers.schedulers.scheduling_edm_euler import EDMEulerScheduler

from ddoq import keyed
from ddoq.priors import edm

SIGMAS = torch.tensor([0.002, 0.05, 0.3, 1.0, 7.0, 80.0])


def network(x: torch.Tensor, noise_level: torch.Tensor) -> torch.Tensor:
    return torch.sin(3 * x) + noise_level[:, None, None, None]


def test_preconditioning_is_that_of_diffusers_scheduler():
    x, stock = torch.randn(6, 2, 4, 4), EDMEulerScheduler(sigma_data=0.7)
    level = SIGMAS[:, None, None, None]
    inner = network(stock.precondition_inputs(x, level), stock.precondition_noise(SIGMAS))
    expected = stock.precondition_outputs(x, inner, level)
    ours = edm.denoised(network, x, SIGMAS, sigma_data=0.7)
    assert torch.allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_for_gaussian_data_the_best_output_is_zero_and_its_loss_one_at_every_level():
    """E |c_skip (y + sigma n) - y|^2 = sigma^2 s^2 / (sigma^2 + s^2), the weight's inverse."""
    images = torch.arange(6 * 4000)
    sigma = SIGMAS.repeat_interleave(4000)
    clean = 0.5 * keyed.normal(1, images, (1, 4, 4))
    noise = keyed.normal(2, images, (1, 4, 4))
    losses = edm.loss(lambda x, _: torch.zeros_like(x), clean, noise, sigma, sigma_data=0.5)
    assert losses.view(6, -1).mean(1).tolist() == pytest.approx([1.0] * 6, abs=0.02)


@pytest.mark.parametrize("sigma", SIGMAS.tolist())
def test_the_loss_is_the_networks_own_error_at_every_level(sigma: float):
    """Eq. 8: it vanishes for F = (y - c_skip x) / c_out, and is 1 where F is off by 1."""
    clean, noise = torch.randn(3, 1, 4, 4).double(), torch.randn(3, 1, 4, 4).double()
    noisy, total = clean + sigma * noise, sigma**2 + 0.5**2
    best = (clean - 0.25 / total * noisy) * total**0.5 / (sigma * 0.5)
    level = torch.full((3,), sigma).double()
    for error, expected in ((0.0, 0.0), (1.0, 1.0)):
        found = edm.loss(lambda x, _: best + error, clean, noise, level, sigma_data=0.5)  # noqa: B023 -- called at once
        assert found.tolist() == pytest.approx([expected] * 3, abs=1e-3)


def test_training_levels_are_log_normal():
    logs = edm.training_levels(
        keyed.normal(3, torch.arange(50_000), (1,))[:, 0], mean=-1.2, std=1.2
    ).log()
    assert float(logs.mean()) == pytest.approx(-1.2, abs=0.02)
    assert float(logs.std()) == pytest.approx(1.2, abs=0.02)


def test_the_levels_of_a_sampler_are_those_of_diffusers_scheduler():
    stock = EDMEulerScheduler(sigma_min=0.01, sigma_max=50.0)
    stock.set_timesteps(18)
    ours = edm.levels(18, sigma_min=0.01, sigma_max=50.0)
    assert torch.allclose(ours, stock.sigmas.float(), rtol=1e-5)
    assert ours[-1] == 0
