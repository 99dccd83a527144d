"""Damaged weights and descriptions that a user gave are told as such, never as a bug of ddoq."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ddoq.autoencoders.kl import KL
from ddoq.data.images import Images
from ddoq.data.latents import LatentStore
from ddoq.data.seen import refuse_seen
from ddoq.errors import IntegrityError
from ddoq.priors.dit import DiTPrior
from ddoq.recipe.shipped import ROOT
from ddoq.teachers.checkpoint import checkpoint_teacher
from ddoq.teachers.trained import trained_teacher

LOAD = {"autoencoder": KL, "prior": DiTPrior, "teacher": trained_teacher}


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def without_a_tensor(file: Path) -> None:
    tensors = load_file(file)
    save_file({k: tensors[k] for k in sorted(tensors)[1:]}, file)


def of_another_shape(file: Path) -> None:
    tensors = load_file(file)
    save_file(tensors | {sorted(tensors)[0]: torch.zeros(7, 7)}, file)


def half_json(file: Path) -> None:
    file.write_text("{")


def without_content(file: Path) -> None:
    file.write_text("{}")


def of_other_types(file: Path) -> None:
    file.write_text('{"block_out_channels": 3, "num_attention_heads": "x", "student": 3}')


def not_utf_8(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")


TENSORS = (cut, emptied, without_a_tensor, of_another_shape)
JSON = (half_json, without_content, of_other_types, not_utf_8)
DAMAGES = {
    "autoencoder/diffusion_pytorch_model.safetensors": TENSORS,
    "autoencoder/config.json": JSON,
    "prior/transformer/diffusion_pytorch_model.safetensors": TENSORS,
    "prior/transformer/config.json": JSON,
    "prior/scheduler/scheduler_config.json": JSON,
    "prior/classes.json": JSON,
    "teacher/model.safetensors": TENSORS,
    "teacher/teacher.json": JSON,
}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A copy of the shipped weights, without the manifests that a user's own would not have."""
    shutil.copytree(ROOT / "checkpoints" / "digits", tmp_path / "own")
    for manifest in (tmp_path / "own").rglob("manifest.json"):
        manifest.unlink()
    return tmp_path / "own"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "damage"), [(n, d) for n, ds in DAMAGES.items() for d in ds])
def test_damaged_weights_are_exit_code_5(weights: Path, name: str, damage: Callable[[Path], None]):
    part = name.split("/")[0]
    LOAD[part](source=str(weights / part))
    damage(weights / name)
    with pytest.raises(IntegrityError, match="own") as caught:
        LOAD[part](source=str(weights / part))
    assert "copy it again" in caught.value.remedy


def test_a_damaged_record_of_what_was_seen_is_exit_code_5(weights: Path, tiny_images: Images):
    emptied(weights / "teacher" / "trained_on.safetensors")
    with pytest.raises(IntegrityError, match="trained_on"):
        refuse_seen(weights / "teacher", tiny_images, "test")


@pytest.mark.parametrize("damage", JSON)
def test_a_damaged_store_of_latents_is_exit_code_5(tmp_path: Path, damage: Callable[[Path], None]):
    damage(tmp_path / "manifest.json")
    with pytest.raises(IntegrityError):
        LatentStore.given(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x80\x02.", b"PK\x03\x04", b"\x80\x02N."])
def test_a_damaged_checkpoint_is_told_as_such(tmp_path: Path, tiny_images: Images, content: bytes):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"model\.pt"):
        checkpoint_teacher(
            tiny_images,
            source=str(tmp_path / "model.pt"),
            student={"name": "convnet", "depth": 1},
            class_ids=["a", "b"],
        )
