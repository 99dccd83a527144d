"""Does a schedule say what diffusers' schedulers do, whatever the network predicts?"""

from typing import Any

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_edm_euler import EDMEulerScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)

from ddoq.decoders.sampling import Sampler
from ddoq.errors import DataError, UsageError
from ddoq.priors import edm
from ddoq.priors.schedule import Schedule, as_number, noised
from ddoq.priors.schedulers import SCHEDULERS


def config(scheduler: Any) -> dict[str, Any]:
    """Return what `save_pretrained` writes."""
    return {"_class_name": type(scheduler).__name__, **scheduler.config}


# Some of diffusers' schedulers hand tensors to numpy in an old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONFIGS: dict[str, Any] = {
    "epsilon": config(DDIMScheduler(clip_sample=False)),
    "v_prediction": config(DDIMScheduler(prediction_type="v_prediction", clip_sample=False)),
    "sample": config(DDIMScheduler(prediction_type="sample", clip_sample=False)),
    "flow": config(FlowMatchEulerDiscreteScheduler()),
    "edm": config(EDMEulerScheduler(sigma_data=0.7)),
}


def output_of(predicts: str, clean: torch.Tensor, noise: torch.Tensor, at: Any) -> torch.Tensor:
    """Return what a perfect network of each kind says, by its definition."""
    x = at.clean * clean + at.noise * noise
    if predicts == "edm":
        sigma = torch.full((len(x),), at.noise / at.clean)
        skip = edm.denoised(lambda *_: torch.zeros_like(x), x / at.clean, sigma, sigma_data=0.7)
        scale = edm.denoised(lambda *_: torch.ones_like(x), x / at.clean, sigma, sigma_data=0.7)
        return (clean - skip) / (scale - skip)
    return {
        "epsilon": noise,
        "v_prediction": at.clean * noise - at.noise * clean,
        "sample": clean,
        "flow": noise - clean,
    }[predicts]


@pytest.mark.parametrize("predicts", CONFIGS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_clean_sample_is_read_from_a_perfect_networks_output(predicts: str, share: float):
    schedule = Schedule(CONFIGS[predicts])
    assert schedule.predicts == predicts
    time = 2 * share - 1 if predicts == "edm" else 1000 * share
    at, reading = schedule.level(time), schedule.reading(time)
    clean, noise = torch.randn(2, 3, 1, 4, 4)
    output = output_of(predicts, clean, noise, at)
    x = at.clean * clean + at.noise * noise
    assert torch.allclose(reading.x * x + reading.out * output, clean, atol=1e-3)


@pytest.mark.parametrize("predicts", ["epsilon", "flow", "edm"])
@pytest.mark.parametrize("name", ["ddim", "pndm", "dpm", "unipc", "heun", "euler"])
def test_a_scheduler_holds_noisy_samples_as_this_says(predicts: str, name: str):
    """What each scheduler passes to the network has the schedule's level, at any of its times."""
    schedule = Schedule(CONFIGS[predicts])
    if name not in SCHEDULERS[schedule.family]:
        pytest.skip("not offered")
    scheduler = schedule.scheduler(name)
    scheduler.set_timesteps(10)
    index = 4 * scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(index)
    time = scheduler.timesteps[index]
    clean, noise = torch.randn(2, 3, 1, 4, 4)
    held = noised(schedule, scheduler, clean, noise, as_number(time))
    at = schedule.level(as_number(time))
    expected = at.clean * clean + at.noise * noise
    seen = Sampler(schedule, scheduler, index).input(held, time)
    assert torch.allclose(seen, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["ddpm", "ddim", "pndm", "dpm", "unipc", "heun", "euler"])
def test_noise_is_added_as_the_scheduler_itself_does(name: str):
    schedule = Schedule(CONFIGS["epsilon"])
    scheduler = schedule.scheduler(name)
    scheduler.set_timesteps(10)
    index = 4 * scheduler.order
    time, (clean, noise) = scheduler.timesteps[index], torch.randn(2, 3, 1, 4, 4)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(index)
    theirs = scheduler.add_noise(clean, noise, time[None].expand(3))
    assert torch.allclose(
        noised(schedule, scheduler, clean, noise, as_number(time)), theirs, atol=1e-5
    )


def test_the_own_scheduler_is_the_default():
    assert isinstance(Schedule(CONFIGS["flow"]).scheduler(), FlowMatchEulerDiscreteScheduler)
    own = Schedule(config(DDPMScheduler(clip_sample=False))).scheduler()
    assert isinstance(own, DDPMScheduler)


@pytest.mark.parametrize(
    ("predicts", "name"), [("flow", "ddim"), ("edm", "pndm"), ("sample", "pndm")]
)
def test_a_scheduler_that_the_prior_cannot_use_is_refused(predicts: str, name: str):
    with pytest.raises(UsageError, match=f"scheduler={name} cannot use"):
        Schedule(CONFIGS[predicts]).scheduler(name)


def test_a_scheduler_that_is_not_offered_is_refused():
    other = {**CONFIGS["epsilon"], "_class_name": "LCMScheduler"}
    with pytest.raises(DataError, match="LCMScheduler"):
        Schedule(other).scheduler()
    assert Schedule(other).scheduler("ddim").config.clip_sample is False


def test_latents_are_not_clipped_unless_the_configuration_says_so():
    bare = {k: v for k, v in CONFIGS["epsilon"].items() if k != "clip_sample"}
    assert Schedule(bare).scheduler("ddim").config.clip_sample is False
    clipped = {**bare, "clip_sample": True}
    assert Schedule(clipped).scheduler("ddpm").config.clip_sample is True


def test_an_unknown_prediction_is_refused():
    other = {**CONFIGS["epsilon"], "prediction_type": "score"}
    with pytest.raises(DataError, match="'score'"):
        _ = Schedule(other).predicts
