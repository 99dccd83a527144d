"""Are a prior's losses those of their papers? Against closed forms and diffusers' schedules."""

import pytest
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from torch import Tensor

from ddoq import keyed
from ddoq.priors import objectives
from ddoq.priors.objectives import Objective, clean, edm, flow, flow_times, noise, velocity

NUM = 4000
DRAWS = keyed.Draws(5, torch.arange(NUM))
SHAPE = (1, 2, 2)
SAMPLES = keyed.normal(9, torch.arange(NUM), SHAPE)
DRAWN = DRAWS.normal("noise", SHAPE)
KEPT = noise().schedule.alphas_cumprod
PLAIN = [noise, velocity, clean, flow, edm]


def wide(t: Tensor) -> Tensor:
    return t[:, None, None, None]


def signal(times: Tensor) -> tuple[Tensor, Tensor]:
    """Return the factors of the sample and of the noise at discrete times."""
    return wide(KEPT[times].sqrt()), wide((1 - KEPT[times]).sqrt())


def v_of(sample: Tensor, drawn: Tensor, times: Tensor) -> Tensor:
    kept, added = signal(times)
    return kept * drawn - added * sample


PERFECT = {
    noise: lambda x, t: DRAWN,
    velocity: lambda x, t: v_of(SAMPLES, DRAWN, t),
    clean: lambda x, t: SAMPLES,
    flow: lambda x, t: DRAWN - SAMPLES,
}


@pytest.mark.parametrize("make", PERFECT)
def test_a_perfect_network_has_no_loss(make) -> None:
    assert float(make().losses(PERFECT[make], SAMPLES, DRAWS).max()) < 1e-9


@pytest.mark.parametrize("make", PERFECT)
def test_a_network_that_is_off_by_two_has_the_weight_times_four(make) -> None:
    found = make(**({} if make is flow else {"min_snr": None})).losses(
        lambda x, t: PERFECT[make](x, t) + 2, SAMPLES, DRAWS
    )
    assert torch.allclose(found, torch.full((NUM,), 4.0), atol=1e-4)


def test_min_snr_weights_are_those_of_table_one() -> None:
    """Hang et al. 2023: noise min(SNR, 5) / SNR, v min(SNR, 5) / (SNR + 1), sample min(SNR, 5)."""
    snr = torch.tensor([0.1, 1.0, 5.0, 20.0])
    expected = {
        "epsilon": [1.0, 1.0, 1.0, 0.25],
        "v_prediction": [1 / 11, 0.5, 5 / 6, 5 / 21],
        "sample": [0.1, 1.0, 5.0, 5.0],
    }
    for prediction, weights in expected.items():
        found = objectives.min_snr_weights(snr, prediction, most=5.0)
        assert found.tolist() == pytest.approx(weights)


def test_three_predictions_that_say_the_same_have_the_same_weighted_loss() -> None:
    """A clean sample that is off by one means noise and velocity that are off by sqrt(SNR) ..."""

    def guess(x: Tensor, t: Tensor, what: str) -> Tensor:
        kept, added = signal(t)
        sample = SAMPLES + 1
        drawn = (x - kept * sample) / added
        return {"clean": sample, "noise": drawn, "velocity": kept * drawn - added * sample}[what]

    found = [
        make().losses(lambda x, t, w=make.__name__: guess(x, t, w), SAMPLES, DRAWS)
        for make in (clean, noise, velocity)
    ]
    assert torch.allclose(found[1], found[0], rtol=1e-3)
    assert torch.allclose(found[2], found[0], rtol=1e-3)


@pytest.mark.parametrize("make", [noise, velocity, clean])
def test_diffusers_schedule_recovers_the_sample_from_a_perfect_network(make) -> None:
    schedule, seen = make().schedule, {}
    make().losses(lambda x, t: seen.update(x=x, t=t) or PERFECT[make](x, t), SAMPLES, DRAWS)
    for i in range(5):
        output = PERFECT[make](seen["x"], seen["t"])[i]
        schedule.set_timesteps(1000)
        step = schedule.step(output, int(seen["t"][i]), seen["x"][i])
        assert torch.allclose(step.pred_original_sample, SAMPLES[i], atol=1e-3)


def test_the_flow_is_diffusers_straight_line_at_1000_t() -> None:
    seen = {}
    flow().losses(lambda x, t: seen.update(x=x, t=t) or x, SAMPLES, DRAWS)
    schedule = FlowMatchEulerDiscreteScheduler()
    schedule.set_timesteps(sigmas=[float(seen["t"][0]) / 1000])
    line = schedule.scale_noise(SAMPLES[:1], schedule.timesteps, DRAWN[:1])
    assert float(schedule.timesteps) == pytest.approx(float(seen["t"][0]))
    assert torch.allclose(seen["x"][:1], line, atol=1e-5)
    end = schedule.step((DRAWN - SAMPLES)[:1], schedule.timesteps[0], seen["x"][:1])
    assert torch.allclose(end.prev_sample, SAMPLES[:1], atol=1e-5)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.5, 0.7)])
def test_flow_times_are_logit_normal(mean: float, std: float) -> None:
    times = flow_times(keyed.normal(3, torch.arange(50_000), (1,))[:, 0], mean=mean, std=std)
    assert 0 < float(times.min()) < float(times.max()) < 1
    logits = times.logit()
    assert float(logits.mean()) == pytest.approx(mean, abs=0.02)
    assert float(logits.std()) == pytest.approx(std, abs=0.02)


# The best guess of standard normal samples, given x, and its mean squared error at each time.
BEST = {
    noise: (lambda x, t: signal(t)[1] * x, lambda t: KEPT[t]),
    velocity: (lambda x, t: torch.zeros_like(x), lambda t: torch.ones(len(t))),
    clean: (lambda x, t: signal(t)[0] * x, lambda t: 1 - KEPT[t]),
    flow: (
        lambda x, t: (
            (2 * wide(t / 1000) - 1) / (wide(t / 1000) ** 2 + (1 - wide(t / 1000)) ** 2) * x
        ),
        lambda t: 1 / ((t / 1000) ** 2 + (1 - t / 1000) ** 2),
    ),
}


@pytest.mark.parametrize("make", BEST)
def test_the_best_guess_of_gaussian_samples_has_its_known_loss(make) -> None:
    """Noise: alpha^2. Velocity: 1. Sample: sigma^2. Flow: 1 / (t^2 + (1 - t)^2)."""
    guess, expected = BEST[make]
    times: list[Tensor] = []
    objective: Objective = make(**({} if make is flow else {"min_snr": None}))
    found = objective.losses(lambda x, t: times.append(t) or guess(x, t), SAMPLES, DRAWS)
    assert float(found.mean()) == pytest.approx(float(expected(times[0]).mean()), rel=0.03)


@pytest.mark.parametrize("make", PLAIN)
def test_a_schedule_is_saved_that_says_what_is_predicted(make, tmp_path) -> None:
    said = {noise: "epsilon", velocity: "v_prediction", clean: "sample", edm: "epsilon"}
    schedule = make().schedule
    schedule.save_pretrained(tmp_path)
    again = type(schedule).from_pretrained(tmp_path)
    assert type(schedule).__name__ == again.config["_class_name"]
    assert again.config.get("prediction_type") == said.get(make)
