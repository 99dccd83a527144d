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
from ddoq.decoders.starts import begin
from ddoq.errors import DataError, UsageError
from ddoq.guides.guide import Targets
from ddoq.guides.mode import ModeGuide
from ddoq.priors import edm
from ddoq.priors.schedule import Schedule
from ddoq.priors.schedulers import SCHEDULERS, draws


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
    at = schedule.level(time)
    reading = schedule.reading(at)
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
    sampler = Sampler.of(schedule, name, steps=10, first=4)
    clean, noise = torch.randn(2, 3, 1, 4, 4)
    at = sampler.level(0)
    expected = at.clean * clean + at.noise * noise
    seen = sampler.input(sampler.noised(clean, noise), sampler.times[0])
    assert torch.allclose(seen, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["ddpm", "ddim", "pndm", "dpm", "unipc", "heun", "euler"])
def test_noise_is_added_as_the_scheduler_itself_does(name: str):
    sampler = Sampler.of(Schedule(CONFIGS["epsilon"]), name, steps=10, first=4)
    clean, noise = torch.randn(2, 3, 1, 4, 4)
    theirs = sampler.scheduler.add_noise(clean, noise, sampler.times[:1].expand(3))
    assert torch.allclose(sampler.noised(clean, noise), theirs, atol=1e-5)


@pytest.mark.parametrize("predicts", CONFIGS)
def test_a_perfect_network_ends_at_the_clean_sample_by_every_scheduler(predicts: str):
    """From half of the way, under a guide that changes nothing."""
    schedule = Schedule(CONFIGS[predicts])
    clean, noise = torch.randn(2, 3, 1, 4, 4)
    for name in SCHEDULERS[schedule.family]:
        if name in ("ddpm", "pndm"):
            # The first draws; the second begins a step early, as in diffusers' pipelines.
            continue
        sampler = Sampler.of(schedule, name, steps=12, first=6)

        def network(x: torch.Tensor, time: torch.Tensor, share: float) -> torch.Tensor:
            reading = schedule.reading(schedule.level(float(time)))
            return (clean - reading.x * x) / reading.out

        found = sampler.run(
            sampler.noised(clean, noise),
            network,
            guide=ModeGuide(strength=0.0),
            targets=Targets(clean),
        )
        assert torch.allclose(found, clean, atol=0.03), name


@pytest.mark.parametrize("name", ["dpm", "unipc"])
@pytest.mark.parametrize("kind", ["karras", "exponential"])
def test_a_flow_has_the_sigmas_of_flows_whatever_else_its_scheduler_knows(name: str, kind: str):
    plain = Sampler.of(Schedule(CONFIGS["flow"]), name, steps=12)
    named = Schedule({**CONFIGS["flow"], f"use_{kind}_sigmas": True})
    assert torch.equal(Sampler.of(named, name, steps=12).scheduler.sigmas, plain.scheduler.sigmas)


@pytest.mark.parametrize("name", ["dpm", "unipc"])
def test_times_that_are_rounded_to_one_do_not_end_the_loop_early(name: str):
    """At zero terminal SNR the first two of Karras' times are the same."""
    stated = {"rescale_betas_zero_snr": True, "use_karras_sigmas": True}
    betas = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    schedule = Schedule({**CONFIGS["v_prediction"], **stated, **betas})
    sampler = Sampler.of(schedule, name, steps=50)
    assert sampler.times[0] == sampler.times[1]
    found = sampler.run(torch.randn(2, 1, 4, 4), lambda x, *_: 0.1 * x)
    assert sampler.scheduler.step_index == 50
    assert bool(found.isfinite().all())


@pytest.mark.parametrize("predicts", CONFIGS)
def test_guides_and_inversion_reach_pure_noise(predicts: str):
    schedule = Schedule(CONFIGS[predicts])
    sampler = Sampler.of(schedule, "euler", steps=5)
    x, still = torch.randn(2, 1, 4, 4), lambda x, time, share: torch.zeros_like(x)
    guided = sampler.run(
        begin("noise", x, x, sampler, still), still, guide=ModeGuide(), targets=Targets(x)
    )
    again = Sampler.of(schedule, "euler", steps=5)
    assert bool(guided.isfinite().all())
    assert bool(begin("invert", x, x, again, still).isfinite().all())


@pytest.mark.parametrize("name", ["heun", "pndm", "euler"])
def test_levels_of_pure_noise_are_for_schedulers_that_know_them(name: str):
    whole = config(DDIMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction"))
    with pytest.raises(UsageError, match=f"scheduler={name} cannot use"):
        Schedule(whole).scheduler(name)
    assert Schedule(whole).scheduler("ddim").alphas_cumprod[-1] == 0


@pytest.mark.parametrize(
    ("predicts", "changed"),
    [
        ("edm", {"prediction_type": "v_prediction"}),
        ("edm", {"sigma_schedule": "exponential"}),
        ("flow", {"use_dynamic_shifting": True}),
        ("flow", {"stochastic_sampling": True}),
        ("flow", {"invert_sigmas": True}),
    ],
)
def test_schedules_that_are_not_offered_are_refused(predicts: str, changed: dict[str, Any]):
    with pytest.raises(DataError, match=next(iter(changed))):
        Schedule({**CONFIGS[predicts], **changed}).scheduler()


@pytest.mark.parametrize("name", ["ddpm", "ddim", "dpm", "unipc"])
def test_a_learned_variance_is_left_out_for_every_scheduler(name: str):
    learned = {**CONFIGS["epsilon"], "variance_type": "learned_range"}
    sampler = Sampler.of(Schedule(learned), name, steps=4)
    x = torch.randn(2, 4, 4, 4)
    generators = [torch.Generator().manual_seed(n) for n in range(2)]
    assert sampler.run(x, lambda x, *_: 0.1 * x, generators=generators).shape == x.shape


def test_more_steps_than_times_of_training_are_refused():
    with pytest.raises(UsageError, match="trained with 1000 times"):
        Sampler.of(Schedule(CONFIGS["epsilon"]), "ddim", steps=2000)


@pytest.mark.parametrize("name", ["dpm", "unipc"])
def test_steps_that_a_multistep_solver_cannot_tell_apart_are_refused(name: str):
    with pytest.raises(UsageError, match="steps=1000 are too many"):
        Sampler.of(Schedule(CONFIGS["epsilon"]), name, steps=1000)
    assert len(Sampler.of(Schedule(CONFIGS["epsilon"]), name, steps=500).times) == 500


@pytest.mark.parametrize("name", ["ddpm", "ddim"])
def test_predicted_noise_is_not_read_at_pure_noise(name: str):
    silent = {
        **CONFIGS["epsilon"],
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    }
    with pytest.raises(UsageError, match="says nothing about an image"):
        Sampler.of(Schedule(silent), name, steps=10)
    x = torch.randn(2, 4, 4, 4)
    generators = [torch.Generator().manual_seed(n) for n in range(2)]
    for sampler in (
        Sampler.of(Schedule(silent), name, steps=10, first=5),
        Sampler.of(Schedule(silent), "dpm", steps=10),
        Sampler.of(Schedule({**silent, "prediction_type": "v_prediction"}), name, steps=10),
    ):
        found = sampler.run(x, lambda x, *_: 0.1 * x, generators=generators)
        assert found.isfinite().all()


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


@pytest.mark.parametrize(
    ("predicts", "name", "stated"),
    [
        *(
            (predicts, name, {})
            for predicts, family in (("epsilon", "diffusion"), ("flow", "flow"), ("edm", "edm"))
            for name in SCHEDULERS[family]
        ),
        ("epsilon", "dpm", {"algorithm_type": "sde-dpmsolver++"}),
    ],
)
def test_a_scheduler_is_said_to_draw_if_its_samples_do(
    predicts: str, name: str, stated: dict[str, Any]
):
    chosen = {**CONFIGS[predicts], **stated}

    def drawn(seed: int) -> torch.Tensor:
        sampler = Sampler.of(Schedule(chosen), name, steps=4)
        generators = [torch.Generator().manual_seed(seed)]
        torch.manual_seed(seed)
        return sampler.run(torch.ones(1, 1, 2, 2), lambda x, *_: 0.1 * x, generators=generators)

    assert torch.equal(drawn(0), drawn(1)) != draws(chosen, name)
