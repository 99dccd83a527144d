"""Weights that cannot be used are refused before any work, in a dry run too."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from ddoq import command, fit
from ddoq.autoencoders.converted import PICKLE
from ddoq.recipe import shipped


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function that plans a run of the digits with a prior: (exit code, stderr)."""
    monkeypatch.chdir(tmp_path)

    def ended(prior: dict[str, object], *arguments: str) -> tuple[int, str]:
        before = signal.getsignal(signal.SIGTERM)
        chosen = ["recipe=digits", "cache=cache", f"prior={json.dumps(prior)}", "dry_run=true"]
        with pytest.raises(SystemExit) as caught:
            command.run(fit.main, [*chosen, *arguments])
        signal.signal(signal.SIGTERM, before)
        said = capsys.readouterr().err
        assert "bug of ddoq" not in said
        assert not (tmp_path / "cache").exists()
        return caught.value.code, said

    return ended


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The digits' own prior, as a folder that anyone may change."""
    own = shutil.copytree(shipped.ROOT / "checkpoints" / "digits" / "prior", tmp_path / "own")
    (own / "manifest.json").unlink()
    (own / "trained_on.safetensors").unlink()
    return own


class Code:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.system, ("touch sentinel",)


def test_a_prior_that_fits_is_planned(ended, folder: Path):
    assert ended({"name": "dit", "source": str(folder)})[0] == 0


def test_a_folder_that_is_no_pipeline_is_refused(ended, tmp_path: Path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    code, said = ended({"name": "dit", "source": "photos"})
    assert code == 4
    assert "no transformer/config.json, no scheduler/scheduler_config.json" in said
    assert "here is cat.png" in said
    code, said = ended({"name": "sdxl", "source": "photos"}, "decoder=sdxl")
    assert code == 4
    assert "no model_index.json" in said


def test_classes_that_the_prior_does_not_know_are_refused(ended, folder: Path):
    (folder / "classes.json").unlink()
    code, said = ended({"name": "dit", "source": str(folder)})
    assert code == 3
    assert "does not know the classes 0, 1, 2, 3, 4 and 5 more; it knows ImageNet-1K's" in said
    assert "prior.source=pretrain" in said


def test_a_prior_that_nothing_draws_from_is_not_looked_at(ended, folder: Path):
    (folder / "classes.json").unlink()
    plain = ("decoder=plain", "evaluation.decoders=[nearest]", "evaluation.baselines=[random]")
    assert ended({"name": "dit", "source": str(folder)}, *plain)[0] == 0


def test_weights_that_hold_code_are_refused_and_not_run(ended, folder: Path, tmp_path: Path):
    (folder / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"code": Code()}, folder / "transformer" / PICKLE)
    torch.save({"code": Code()}, tmp_path / "net.pt")
    for source in (folder, tmp_path / "net.pt"):
        code, said = ended({"name": "dit", "source": str(source)})
        assert code == 5
        assert "holds more than weights: code" in said
    assert not (tmp_path / "sentinel").exists()


@pytest.mark.parametrize(
    "draws",
    [
        ["decoder.scheduler=euler_ancestral"],
        ["evaluation.decoders=[{name: dit, scheduler: euler_ancestral}]"],
        ["decoder=plain", "evaluation.baselines=[{name: prior, scheduler: euler_ancestral}]"],
    ],
)
def test_a_scheduler_that_the_prior_cannot_use_is_refused(ended, folder: Path, draws: list[str]):
    code, said = ended({"name": "dit", "source": str(folder)}, *draws)
    assert code == 2
    assert "scheduler=euler_ancestral cannot use the prior's schedule" in said
    assert "use one of ddpm, ddim" in said


def test_a_guide_of_a_decoder_without_a_prior_is_refused(ended, folder: Path):
    prior = {"name": "dit", "source": str(folder)}
    code, said = ended(prior, "decoder={name: plain, guide: mode}")
    assert code == 2
    assert "takes no 'guide'" in said
    assert "guide is a setting of diffusion, dit, sit" in said


def changed(file: Path, **settings: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))


def test_samples_of_another_shape_than_the_latents_are_refused(ended, folder: Path):
    prior = {"name": "dit", "source": str(folder)}
    changed(folder / "transformer" / "config.json", sample_size=32)
    code, said = ended(prior)
    assert code == 2
    assert "samples of shape (4, 32, 32), the latents have (4, 4, 4)" in said
    changed(folder / "transformer" / "config.json", sample_size=4, in_channels=3)
    assert "samples of shape (3, 4, 4)" in ended(prior)[1]


def test_more_classes_than_labels_are_refused(ended, folder: Path):
    prior = {"name": "dit", "source": str(folder)}
    changed(folder / "transformer" / "config.json", num_embeds_ada_norm=5)
    code, said = ended(prior)
    assert code == 3
    assert "its network has 5 labels, for the 10 classes of classes.json" in said
    (folder / "classes.json").unlink()
    assert "5 labels, for the 1000 classes of ImageNet-1K" in ended(prior)[1]


def test_guidance_without_a_label_for_no_class_is_refused(ended, tmp_path: Path):
    own = shutil.copytree(shipped.ROOT / "checkpoints" / "cifar10" / "prior", tmp_path / "own")
    classes = [str(digit) for digit in range(10)]
    (own / "classes.json").write_text(json.dumps(classes))
    # The digits have one channel and 8 pixels.
    sizes = {"in_channels": 1, "out_channels": 1, "sample_size": 8}
    changed(own / "unet" / "config.json", **sizes, num_class_embeds=10)
    prior = {"name": "unet", "source": str(own)}
    rest = ["autoencoder=identity", "evaluation.decoders=[]"]
    code, said = ended(prior, *rest, "decoder={name: unet, guidance: 1.5}")
    assert code == 2
    assert 'no label for "no class"' in said
    assert ended(prior, *rest, "decoder={name: unet, guidance: 1}")[0] == 0


@pytest.mark.parametrize("variant", [None, "diffusion_pytorch_model.fp16.safetensors"])
def test_a_folder_without_weights_that_are_read_is_refused(ended, folder: Path, variant):
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    if variant:
        weights.rename(weights.with_name(variant))
    else:
        weights.unlink()
    code, said = ended({"name": "dit", "source": str(folder)})
    assert code == 4
    assert "there is no transformer/diffusion_pytorch_model.safetensors" in said


def test_files_beside_the_weights_that_say_nonsense_are_refused(ended, folder: Path):
    prior = {"name": "dit", "source": str(folder)}
    (folder / "prior.json").write_text('{"space": "pixel"}')
    code, said = ended(prior)
    assert code == 5
    assert "prior.json" in said
    assert "its space is 'pixel', not pixels or latents" in said
    (folder / "prior.json").unlink()
    (folder / "scheduler" / "scheduler_config.json").write_text('{"_class_name": "DDIMScheduler"}')
    code, said = ended(prior)
    assert code == 5
    assert "no num_train_timesteps" in said
