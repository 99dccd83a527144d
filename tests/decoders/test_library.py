"""Are latents those of a plain loop over diffusers' own network and scheduler?"""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_edm_euler import EDMEulerScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)

from ddoq import keyed, recipe
from ddoq.autoencoders.identity import Identity
from ddoq.errors import UsageError
from ddoq.files.artifacts import write_json
from ddoq.priors.schedulers import SCHEDULERS, Family
from ddoq.quantize.blocks import PointBlock
from ddoq.run import Run

# Some of diffusers' schedulers hand tensors to numpy in an old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TRAINED_WITH: dict[str, Any] = {
    "epsilon": DDPMScheduler(clip_sample=False),
    "v_prediction": DDPMScheduler(clip_sample=False, prediction_type="v_prediction"),
    "sample": DDPMScheduler(clip_sample=False, prediction_type="sample"),
    "flow": FlowMatchEulerDiscreteScheduler(),
    "edm": EDMEulerScheduler(),
}
FAMILIES: dict[str, Family] = {"flow": "flow", "edm": "edm"}
OFFERED = [
    (predicts, name)
    for predicts in TRAINED_WITH
    for name in SCHEDULERS[FAMILIES.get(predicts, "diffusion")]
    # Diffusers has no Heun for EDM; tests/priors/test_edm_heun.py holds it to closed forms.
    if (predicts, name) not in (("edm", "heun"), ("sample", "pndm"))
]
LABELS, NUMBERS = torch.tensor([3, 8, 3]), torch.tensor([0, 2, 5])


def network_of(kind: str) -> Any:
    torch.manual_seed(0)
    if kind == "unet":
        return UNet2DModel(
            sample_size=4,
            in_channels=2,
            out_channels=2,
            block_out_channels=(8, 8),
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            attention_head_dim=4,
            norm_num_groups=4,
            num_class_embeds=11,
        ).eval()
    return DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=4,
        in_channels=2,
        out_channels=4,
        num_layers=2,
        sample_size=4,
        patch_size=1,
        num_embeds_ada_norm=1000,
    ).eval()


@pytest.fixture(params=["dit", "unet"], scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def made(kind: str, tmp_path_factory: pytest.TempPathFactory):
    """Return a function that makes a prior's folder, and the run that reads it."""

    def make(predicts: str) -> Run:
        folder = tmp_path_factory.mktemp(f"{kind}-{predicts}")
        network_of(kind).save_pretrained(folder / ("unet" if kind == "unet" else "transformer"))
        TRAINED_WITH[predicts].save_pretrained(folder / "scheduler")
        write_json(folder / "classes.json", [str(i) for i in range(10)])
        write_json(folder / "prior.json", {"space": "latents"})
        source = f"prior={{name: {kind}, source: '{folder}'}}"
        return Run(recipe.read(["recipe=digits", source, "autoencoder=identity"]).recipe)

    return make


def plain_loop(kind: str, scheduler: Any, x: torch.Tensor, guidance: float, seed: int) -> Any:
    """Draw by the library alone."""
    network, null = network_of(kind), torch.full_like(LABELS, 10 if kind == "unet" else 1000)
    keys = (LABELS * 2**24 + NUMBERS).tolist()
    draws = [keyed.generator("decode step", seed, key) for key in keys]
    random = {} if "generator" not in scheduler.step.__code__.co_varnames else {"generator": draws}
    for time in scheduler.timesteps:
        seen = (
            scheduler.scale_model_input(x, time) if hasattr(scheduler, "scale_model_input") else x
        )
        own, none = (
            network(seen, time.expand(3), class_labels=labels).sample[:, :2]
            for labels in (LABELS, null)
        )
        x = scheduler.step(none + guidance * (own - none), time, x, **random).prev_sample
    return x


@pytest.mark.parametrize(("predicts", "name"), OFFERED)
def test_a_raw_sample_is_that_of_the_plain_loop(made, kind: str, predicts: str, name: str):
    run = made(predicts)
    how = {"name": "diffusion", "steps": 6, "start": "noise", "guidance": 2.0, "scheduler": name}
    decoder = run.make("decoder", how, autoencoder=Identity(), seed=4)
    keys = LABELS * 2**24 + NUMBERS
    noise = keyed.normal(keyed.seed_of("decode", 4), keys, (2, 4, 4))
    scheduler = run.prior.schedule.scheduler(name)
    scheduler.set_timesteps(6)
    start = noise * getattr(scheduler, "init_noise_sigma", 1.0)
    with torch.inference_mode():
        ours = decoder.decode(PointBlock(torch.zeros(3, 2, 4, 4), LABELS, NUMBERS))
        theirs = plain_loop(kind, scheduler, start, 2.0, seed=4) / 2 + 0.5
    assert torch.allclose(ours, theirs, atol=1e-5, rtol=1e-5)


def test_guidance_is_used_between_two_shares_of_the_way_alone(made, kind: str):
    run = made("epsilon")
    how = {"name": "diffusion", "steps": 10, "start": "noise", "guidance": 3.0}
    block = PointBlock(torch.zeros(3, 2, 4, 4), LABELS, NUMBERS)

    def images(**settings: Any) -> torch.Tensor:
        with torch.inference_mode():
            return run.make("decoder", {**how, **settings}).decode(block)

    never, always = images(interval=[0.0, 0.0]), images(interval=[0.0, 1.0])
    assert torch.equal(never, images(guidance=1.0))
    assert torch.equal(always, images())
    assert not torch.allclose(images(interval=[0.3, 0.6]), always)


def test_a_prompt_for_a_prior_of_labels_is_refused(made, kind: str):
    run = made("epsilon")
    with pytest.raises(UsageError, match="no effect on a prior of labels"):
        run.make("decoder", {"name": "diffusion", "prompt": "a photo of {}"})


def test_a_pixel_prior_takes_points_of_any_latent_space(tmp_path: Path):
    network_of("unet").save_pretrained(tmp_path / "unet")
    TRAINED_WITH["epsilon"].save_pretrained(tmp_path / "scheduler")
    write_json(tmp_path / "classes.json", [str(i) for i in range(10)])
    source = f"prior={{name: unet, source: '{tmp_path}'}}"
    run = Run(recipe.read(["recipe=digits", source, "autoencoder=identity"]).recipe)
    assert run.prior.space == "pixels"
    how = {"name": "diffusion", "strength": 0.0}
    even = torch.full((3, 2, 8, 8), 0.3)
    images = run.make("decoder", how, autoencoder=Identity()).decode(
        PointBlock(even, LABELS, NUMBERS)
    )
    assert torch.allclose(images, torch.full((3, 2, 4, 4), 0.65), atol=1e-6)
