"""Does Heun's method follow the probability-flow ODE of a prior whose score is known?"""

import pytest
import torch

from ddoq import keyed
from ddoq.decoders.sampling import Sampler
from ddoq.priors.schedule import Schedule

CONFIG = {
    "_class_name": "EDMEulerScheduler",
    "sigma_min": 0.002,
    "sigma_max": 80.0,
    "sigma_data": 0.5,
    "rho": 7.0,
}
MEANS, STDS, SHARES = (
    torch.tensor([[-1.0, 0.2], [0.8, 0.6], [0.1, -0.9]]).double(),
    torch.tensor([0.1, 0.2, 0.15]).double(),
    torch.tensor([0.5, 0.3, 0.2]).double(),
)


def mixture(x: torch.Tensor, level: float) -> torch.Tensor:
    """Return E[clean | x], exactly."""
    variances = STDS.square() + level**2
    far = (x[:, None] - MEANS).square().sum(2)
    logs = SHARES.log() - variances.log() - far / (2 * variances)
    part = logs.softmax(1)[:, :, None]
    shrunk = MEANS + (STDS.square() / variances)[:, None] * (x[:, None] - MEANS)
    return (part * shrunk).sum(1)


def gaussian(x: torch.Tensor, level: float) -> torch.Tensor:
    return 0.3 + 0.25 / (0.25 + level**2) * (x - 0.3)


def start(num: int) -> torch.Tensor:
    return 80 * keyed.normal(5, torch.arange(num), (2,)).double()


def drawn(denoise, x: torch.Tensor, steps: int, name: str = "heun", **config) -> torch.Tensor:
    """Sample with a network whose output is that of an exact denoiser."""
    schedule = Schedule({**CONFIG, **config})

    def network(scaled: torch.Tensor, time: torch.Tensor, share: float) -> torch.Tensor:
        at = schedule.level(float(time))
        reading = schedule.reading(at)
        return (denoise(scaled / at.clean, at.noise / at.clean) - reading.x * scaled) / reading.out

    return Sampler.of(schedule, name, steps=steps).run(x, network)


@pytest.mark.parametrize("name", ["heun", "dpm"])
def test_a_gaussian_is_followed_to_its_closed_form(name: str):
    """x(0) = m + (x - m) s / sqrt(s^2 + sigma^2); 200 steps come within a thousandth."""
    x = start(50)
    expected = 0.3 + (x - 0.3) * 0.5 / (0.25 + 80.0**2) ** 0.5
    assert float((drawn(gaussian, x, 200, name) - expected).abs().max()) < 1e-3


def test_twice_the_steps_leave_a_quarter_of_the_error():
    x = start(100)
    expected = 0.3 + (x - 0.3) * 0.5 / (0.25 + 80.0**2) ** 0.5
    errors = [float((drawn(gaussian, x, n) - expected).abs().mean()) for n in (10, 20, 40)]
    assert 3 < errors[0] / errors[1] < 6
    assert 3 < errors[1] / errors[2] < 6


def test_the_samples_are_those_of_the_mixture():
    samples = drawn(mixture, start(20_000), 40)
    nearest = (samples[:, None] - MEANS).square().sum(2).argmin(1)
    shares = nearest.bincount(minlength=3) / len(samples)
    assert shares.tolist() == pytest.approx(SHARES.tolist(), abs=0.02)
    for k in range(3):
        of_k = samples[nearest == k]
        assert torch.allclose(of_k.mean(0), MEANS[k], atol=0.01)
        assert of_k.std(0).mean() == pytest.approx(float(STDS[k]), rel=0.05)


def test_it_asks_twice_a_step_and_once_in_the_last():
    asked: list[float] = []

    def counted(x: torch.Tensor, level: float) -> torch.Tensor:
        asked.append(level)
        return mixture(x, level)

    drawn(counted, start(1), 18)
    assert len(asked) == 2 * 18 - 1


def test_a_single_possible_image_is_found_in_any_number_of_steps():
    only = torch.tensor([[0.3, -0.7]]).double()
    found = drawn(lambda x, _: only.expand_as(x), start(4), 3)
    assert torch.allclose(found, only.expand(4, 2), atol=1e-6)


def test_a_later_step_is_where_the_whole_way_would_be():
    """Heun's steps depend on the sample alone, so a way may be taken in two parts."""
    schedule = Schedule(CONFIG)

    def network(scaled: torch.Tensor, time: torch.Tensor, share: float) -> torch.Tensor:
        at = schedule.level(float(time))
        reading = schedule.reading(at)
        clean = mixture(scaled / at.clean, at.noise / at.clean)
        return (clean - reading.x * scaled) / reading.out

    first = Sampler.of(schedule, "heun", steps=10)
    x = start(5)
    for time in first.times[:6]:
        scaled = first.scheduler.scale_model_input(x, time)
        x = first.scheduler.step(network(scaled, time, 0.0), time, x).prev_sample
    rest = Sampler.of(schedule, "heun", steps=10, first=3)
    assert torch.allclose(rest.run(x, network), drawn(mixture, start(5), 10), atol=1e-9)
