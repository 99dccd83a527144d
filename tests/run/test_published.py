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
