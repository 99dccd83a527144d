"""Are the weights that `pretrain` makes what diffusers itself loads, and any good?"""

from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.pipelines.dit.pipeline_dit import DiTPipeline

from ddoq import recipe
from ddoq.files.artifacts import damage, read_json
from ddoq.pretrain import pretrain
from ddoq.priors.dit import DiTPrior
from ddoq.recipe import shipped
from ddoq.run import Run

SMALL = [
    "recipe=digits",
    "pretrain.autoencoder.steps=60",
    "pretrain.autoencoder.width=8",
    "pretrain.prior.steps=20",
    "pretrain.prior.net.layers=1",
    "pretrain.prior.batch_size=16",
    "pretrain.teacher.steps=60",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    pretrain(recipe.read([*SMALL, f"out={out}"]))
    return out


def test_diffusers_loads_the_autoencoder_with_unit_latents(trained: Path) -> None:
    model = AutoencoderKL.from_pretrained(trained / "autoencoder", low_cpu_mem_usage=False)
    images = Run(recipe.read(["recipe=digits"]).recipe).images.pixels("train") / 255
    with torch.inference_mode():
        latents = model.encode(images * 2 - 1).latent_dist.mean * model.config.scaling_factor
    assert float(latents.std()) == pytest.approx(1, abs=0.05)


def test_the_stock_pipeline_draws_with_the_prior(trained: Path) -> None:
    pipeline = DiTPipeline.from_pretrained(trained / "prior", low_cpu_mem_usage=False)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline([0, 9], num_inference_steps=2, output_type="np").images
    assert images.shape == (2, 8, 8, 1)


@pytest.mark.parametrize(
    ("net", "objective", "space", "scheduler"),
    [
        ("dit", "flow", "latents", "FlowMatchEulerDiscreteScheduler"),
        ("dit", "clean", "pixels", "DDIMScheduler"),
        ("dit", "edm", "latents", "EDMEulerScheduler"),
        ("unet", "noise", "pixels", "DDIMScheduler"),
        ("unet", "flow", "latents", "FlowMatchEulerDiscreteScheduler"),
    ],
)
def test_every_net_learns_every_objective(net, objective, space, scheduler, tmp_path) -> None:
    sizes = "layers: 2" if net == "dit" else "width: 8, multipliers: [1, 1]"
    how = f"net: {{name: {net}, {sizes}, objective: {objective}}}, space: {space}"
    chosen = [f"prior={net}", "prior.source=pretrain", f"pretrain.prior={{{how}, samples: 0}}"]
    run = Run(
        recipe.read(
            ["recipe=digits", *chosen, "pretrain.prior.steps=2", f"cache={tmp_path}"]
        ).recipe
    )
    folder = run.pretrained("prior")
    assert read_json(folder / "scheduler/scheduler_config.json")["_class_name"] == scheduler
    assert read_json(folder / "prior.json")["space"] == space
    model = DiTTransformer2DModel if net == "dit" else UNet2DModel
    part = "transformer" if net == "dit" else "unet"
    loaded = model.from_pretrained(folder, subfolder=part, low_cpu_mem_usage=False)
    assert (loaded.config.in_channels, loaded.config.sample_size) == run_shape(run, space)
    assert not (folder / "vae").exists()


def run_shape(run: Run, space: str) -> tuple[int, int]:
    shape = run.latents.shape if space == "latents" else (run.channels, run.image_size)
    return shape[0], shape[1]


def test_every_part_has_a_card_and_checksums(trained: Path) -> None:
    for part in ("autoencoder", "prior", "teacher"):
        assert "trained on: 1132 training images" in (trained / part / "CARD.md").read_text()
        assert damage(trained / part) is None


@pytest.mark.parametrize("kind", ["tiny", "dc"])
def test_other_autoencoders_are_trained_too(kind: str) -> None:
    small = [f"autoencoder={kind}", "pretrain.autoencoder.width=8", "pretrain.autoencoder.steps=30"]
    source = ["autoencoder.source=pretrain", "pretrain.autoencoder.downsamplings=1"]
    run = Run(recipe.read(["recipe=digits", *small, *source]).recipe)
    assert run.latents.shape == (4, 4, 4)
    values = torch.cat([run.latents.latents(label).float() for label in range(10)])
    assert float(values.std()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("part", ["autoencoder", "prior", "teacher"])
def test_the_shipped_weights_are_intact(part: str) -> None:
    assert damage(shipped.ROOT / "checkpoints" / "digits" / part) is None


def test_the_shipped_prior_draws_digits_that_the_teacher_knows() -> None:
    run = Run(recipe.read(["recipe=digits"]).recipe)
    folder = shipped.ROOT / "checkpoints" / "digits" / "prior"
    pipeline = DiTPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
    pipeline.set_progress_bar_config(disable=True)
    labels = torch.arange(10).repeat(4)
    drawn = pipeline(
        labels.tolist(),
        guidance_scale=1.5,
        num_inference_steps=10,
        output_type="pt",
        generator=torch.Generator().manual_seed(0),
    ).images
    accuracy = (run.teacher(drawn).argmax(1) == labels).float().mean()
    assert float(accuracy) > 0.8


def test_classes_are_found_by_id_and_not_by_position() -> None:
    prior = DiTPrior(source="checkpoints/digits/prior")
    assert prior.classes.labels(("7", "2")).tolist() == [7, 2]


def test_an_unknown_class_is_refused() -> None:
    prior = DiTPrior(source="checkpoints/digits/prior")
    with pytest.raises(ValueError, match="does not know the classes cat"):
        prior.classes.labels(("7", "cat"))
