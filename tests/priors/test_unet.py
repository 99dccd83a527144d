"""Is a U-Net's folder what diffusers itself loads, and what is done with it EDM's?"""

import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from diffusers.models.unets.unet_2d import UNet2DModel

from ddoq import recipe
from ddoq.errors import DataError, UsageError
from ddoq.files.artifacts import damage
from ddoq.files.tensors import read_tensors, write_tensors
from ddoq.priors import edm
from ddoq.priors.conditions import LabelConditions
from ddoq.priors.unet import UNetPrior
from ddoq.quantize.blocks import PointBlock
from ddoq.run import Run

NET = "net: {name: unet, width: 8, multipliers: [1, 1], blocks: 1, attention: [4]}"
SMALL = [
    "recipe=digits",
    "prior=unet",
    "prior.source=pretrain",
    f"pretrain.prior={{{NET}, space: pixels, steps: 8, batch_size: 16, samples: 2}}",
    "autoencoder=identity",
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(cache: Path) -> Run:
    return Run(recipe.read([*SMALL, f"cache={cache}"]).recipe)


@pytest.fixture
def folder(run: Run) -> Path:
    return run.pretrained("prior")


def clean(prior: UNetPrior, x: torch.Tensor, sigma: float, labels: torch.Tensor, guidance: float):
    """Return the clean images that the prior predicts."""
    time = torch.tensor(sigma).log() / 4
    at = prior.schedule.level(float(time))
    reading = prior.schedule.reading(at)
    conditions = LabelConditions(torch.arange(10), prior.null_label)
    with torch.inference_mode():
        scaled = at.clean * x
        return reading.x * scaled + reading.out * prior.output(
            scaled, time, labels, conditions, guidance
        )


def test_what_the_prior_predicts_is_what_it_was_trained_to(folder: Path):
    model = UNet2DModel.from_pretrained(folder, subfolder="unet", low_cpu_mem_usage=False).eval()
    x, labels = 80 * torch.randn(3, 1, 8, 8), torch.tensor([0, 4, 9])
    with torch.inference_mode():
        expected = edm.denoised(
            lambda scaled, noise: model(scaled, noise, class_labels=labels).sample,
            x,
            torch.full((3,), 80.0),
            sigma_data=0.5,
        )
    assert torch.allclose(
        clean(UNetPrior(source=str(folder)), x, 80.0, labels, 1.0), expected, atol=1e-4
    )


def test_guidance_goes_beyond_the_label_away_from_none(folder: Path):
    prior, x = UNetPrior(source=str(folder)), torch.randn(2, 1, 8, 8)
    labels = torch.tensor([1, 7])
    conditions = LabelConditions(torch.arange(11), 10)
    time = torch.tensor(0.0)
    with torch.inference_mode():
        own, away = (prior.output(x, time, y, conditions) for y in (labels, torch.tensor([10, 10])))
        guided = prior.output(x, time, labels, conditions, 3.0)
    assert torch.allclose(guided, away + 3 * (own - away), atol=1e-5)


def test_weights_in_half_precision_are_read_in_single(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "half")
    (tmp_path / "half" / "manifest.json").unlink()
    file = tmp_path / "half" / "unet" / "diffusion_pytorch_model.safetensors"
    write_tensors(file, {k: t.half() for k, t in read_tensors(file).items()})
    whole, half = (UNetPrior(source=str(f)) for f in (folder, tmp_path / "half"))
    x, labels = torch.randn(2, 1, 8, 8), torch.tensor([1, 7])
    ours, theirs = (clean(p, x, 1.0, labels, 1.5) for p in (half, whole))
    assert half.network.model.dtype == torch.float32
    assert torch.allclose(ours, theirs, atol=1e-2)


def test_a_lower_precision_changes_next_to_nothing(folder: Path):
    x, labels = torch.randn(2, 1, 8, 8), torch.tensor([1, 7])
    plain = clean(UNetPrior(source=str(folder)), x, 1.0, labels, 1.5)
    lower = clean(UNetPrior(source=str(folder), dtype="bfloat16"), x, 1.0, labels, 1.5)
    assert lower.dtype == torch.float32
    assert 0 < float((lower - plain).abs().max()) < 0.1


def test_what_the_training_leaves(folder: Path):
    assert damage(folder) is None
    assert {p.name for p in folder.glob("samples-*.png")} == {
        "samples-0000004.png",
        "samples-0000008.png",
    }
    card = (folder / "CARD.md").read_text()
    assert "class-conditional unet in pixels" in card
    assert "samples in their class by the teacher, step 8" in card
    assert not (folder / "snapshot").exists()


def test_pixels_need_no_autoencoder_in_the_key(run: Run, cache: Path):
    other = Run(recipe.read([*SMALL, f"cache={cache}", "autoencoder=kl"]).recipe)
    assert run.pretrain_key("prior") == other.pretrain_key("prior")


def test_a_network_without_labels_is_refused(tmp_path: Path):
    UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(8,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        norm_num_groups=4,
    ).save_pretrained(tmp_path / "unet")
    with pytest.raises(DataError, match="takes no class labels"):
        UNetPrior(source=str(tmp_path))


def test_a_network_that_the_prior_cannot_read_is_refused():
    with pytest.raises(UsageError, match="net=dit trains what prior=unet cannot read"):
        recipe.read(["recipe=digits", "prior=unet"])


def test_latents_are_learned_too(cache: Path):
    settings = f"{{{NET}, space: latents, steps: 4, batch_size: 16, samples: 1}}"
    chosen = [*SMALL[:3], f"pretrain.prior={settings}", f"cache={cache}"]
    run = Run(recipe.read(chosen).recipe)
    assert run.prior.space == "latents"
    assert run.prior.shape == run.latents.shape
    decoder = run.make("decoder", {"name": "unet", "start": "noise", "steps": 2})
    drawn = decoder.decode(
        PointBlock(torch.zeros(1, 4, 4, 4), torch.tensor([3]), torch.tensor([0]))
    )
    assert drawn.isfinite().all()


def test_latents_cannot_be_mirrored(cache: Path):
    flipped = f"pretrain.prior={{{NET}, flip: true, steps: 4}}"
    run = Run(recipe.read([*SMALL[:3], flipped, f"cache={cache}"]).recipe)
    with pytest.raises(UsageError, match="only pixels can be mirrored"):
        run.pretrained("prior")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_card_a_compiled_prior_in_half_precision_learns_as_on_a_cpu(cache: Path):
    found = {}
    for device, more in (("cpu", ""), ("gpu", ", dtype: bfloat16, compile: true")):
        how = f"{NET}, space: pixels, steps: 100, batch_size: 64, samples: 1{more}"
        chosen = [f"pretrain.prior={{{how}}}", f"trainer.accelerator={device}", "trainer.devices=1"]
        run = Run(recipe.read([*SMALL, f"cache={cache}", *chosen]).recipe)
        card = (run.pretrained("prior") / "CARD.md").read_text()
        [line] = [x for x in card.splitlines() if "loss, mean of the last tenth" in x]
        found[device] = float(line.split(": ")[1])
    # It begins at 1.35.
    assert found["gpu"] == pytest.approx(found["cpu"], abs=0.01)
    assert found["gpu"] < 1.2


@pytest.mark.slow
def test_two_ranks_train_one_prior(tmp_path: Path, environment: dict[str, str], warm: str):
    ranks = ["trainer.devices=2", "trainer.accelerator=cpu", "trainer.strategy=ddp"]
    places = [f"cache={tmp_path / 'cache'}", f"out={tmp_path / 'out'}"]
    command = [warm, "-m", "ddoq.pretrain", *SMALL, *ranks, *places]
    short = ["pretrain.teacher.steps=2", "pretrain.prior.minutes=0.02"]
    done = subprocess.run(
        [*command, *short], env=environment, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    assert damage(tmp_path / "out" / "prior") is None
    assert UNetPrior(source=str(tmp_path / "out" / "prior")).shape == (1, 8, 8)
    assert len(list((tmp_path / "out" / "prior").glob("samples-*.png"))) == 2
