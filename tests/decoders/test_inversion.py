"""Does inversion lead back along the ODE by which a prior draws?"""

import pytest
import torch
from diffusers.schedulers.scheduling_ddim_inverse import DDIMInverseScheduler

from ddoq import keyed, recipe
from ddoq.decoders.inversion import inverted
from ddoq.decoders.sampling import Sampler
from ddoq.decoders.starts import begin, first_step
from ddoq.priors.schedule import Schedule
from ddoq.quantize.blocks import PointBlock
from ddoq.run import Run

EDM = {
    "_class_name": "EDMEulerScheduler",
    "sigma_min": 0.002,
    "sigma_max": 80.0,
    "sigma_data": 0.5,
    "rho": 7.0,
}

FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000}


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(recipe.read(["recipe=digits"]).recipe)


@pytest.fixture
def latents(run: Run) -> torch.Tensor:
    """One latent of each class."""
    return torch.stack([run.latents.latents(c)[0].float() for c in range(10)])


@pytest.fixture
def predict(run: Run):
    conditions = run.prior.conditions(run.images, "{}", None)
    return lambda x, time, _: run.prior.output(x, time, torch.arange(10), conditions)


def test_it_is_diffusers_own(run: Run, latents: torch.Tensor, predict):
    sampler = Sampler.of(run.prior.schedule, "ddim", steps=20)
    stock = DDIMInverseScheduler.from_config({**run.prior.schedule.config, "clip_sample": False})
    stock.set_timesteps(20)
    expected = latents
    with torch.inference_mode():
        for time in stock.timesteps:
            output = predict(expected, time, 0.0)
            expected = stock.step(output, time, expected).prev_sample
        found = begin("invert", latents, latents, sampler, predict)
    assert stock.timesteps.tolist() == sampler.times.flip(0).tolist()
    # Theirs begins at the level of the first training time, ours without noise.
    assert torch.allclose(found, expected, atol=0.02)


def test_twice_the_steps_leave_half_of_the_error(run: Run, latents: torch.Tensor, predict):
    """There and back, with a trained prior, without guidance."""

    def error(steps: int) -> float:
        there, back = (Sampler.of(run.prior.schedule, "ddim", steps=steps) for _ in range(2))
        with torch.inference_mode():
            noise = begin("invert", latents, latents, there, predict)
            return float((back.run(noise, predict) - latents).square().mean().sqrt())

    errors = {steps: error(steps) for steps in (25, 50, 100, 200, 400)}
    for steps in (25, 50, 100):
        assert 1.6 < errors[steps] / errors[2 * steps] < 2.4, errors
    # DDIM's spacing of 400 steps ends at time 798 of 1000, where less is left to invert.
    assert errors[400] < 0.6 * errors[200]


def test_a_gaussian_is_inverted_to_its_closed_form():
    """x(sigma) = m + (x - m) sqrt(s^2 + sigma^2) / s, in EDM's levels."""
    schedule, x = Schedule(EDM), torch.randn(5, 2).double()

    def network(scaled: torch.Tensor, time: torch.Tensor, share: float) -> torch.Tensor:
        at = schedule.level(float(time))
        reading = schedule.reading(at)
        noisy, level = scaled / at.clean, at.noise / at.clean
        clean = 0.3 + 0.25 / (0.25 + level**2) * (noisy - 0.3)
        return (clean - reading.x * scaled) / reading.out

    sampler = Sampler.of(schedule, "euler", steps=2000)
    found = inverted(x, sampler, network)
    expected = 0.3 + (x - 0.3) * (0.25 + 80.0**2) ** 0.5 / 0.5
    assert torch.allclose(found.clean + 80 * found.noise, expected, rtol=0.02, atol=0.1)


@pytest.mark.parametrize("strength", [1.0, 0.9])
def test_a_flow_is_inverted_along_its_velocity(strength: float):
    """X(s) = (1 - s) m + (x - m) sqrt((1 - s)^2 d^2 + s^2) / d, also where all is noise."""
    schedule, mean, spread = Schedule(FLOW), 0.3, 0.5
    x = mean + spread * keyed.normal(0, torch.arange(2000), (1,)).double()

    def network(noisy: torch.Tensor, time: torch.Tensor, share: float) -> torch.Tensor:
        clean, noise = schedule.level(float(time))
        away = (noisy - clean * mean) / (clean**2 * spread**2 + noise**2)
        return noise * away - (mean + clean * spread**2 * away)

    sampler = Sampler.of(schedule, "euler", steps=20, first=first_step(20, strength))
    clean, noise = sampler.level(0)
    found = inverted(x, sampler, network)
    scale = (clean**2 * spread**2 + noise**2) ** 0.5
    expected = clean * mean + (x - mean) * scale / spread
    error = clean * found.clean + noise * found.noise - expected
    assert float(error.square().mean().sqrt()) < 0.04


def test_an_inverted_point_comes_back_and_another_noise_does_not(run: Run, latents: torch.Tensor):
    block = PointBlock(latents, torch.arange(10), torch.zeros(10, dtype=torch.int64))
    how = {"name": "dit", "steps": 100, "guidance": 1.0, "strength": 0.8}
    with torch.inference_mode():
        plain = run.make("decoder", {"name": "plain"}).decode(block)
        back = run.make("decoder", {**how, "start": "invert"}).decode(block)
        other = run.make("decoder", {**how, "start": "renoise"}).decode(block)
    near, far = ((x - plain).square().mean().sqrt() for x in (back, other))
    assert float(near) < 0.1 * float(far)
