"""Is a user's own file of weights read, and nothing else in it?"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ddoq import recipe
from ddoq.errors import IntegrityError, ResourceError, UsageError
from ddoq.files.tensors import write_tensors
from ddoq.run import Run
from ddoq.students.convnet import ConvNet
from ddoq.teachers.teacher import Teacher

STUDENT = {"name": "convnet", "depth": 1, "width": 4}


@pytest.fixture
def net() -> ConvNet:
    torch.manual_seed(0)
    return ConvNet(10, 1, 8, depth=1, width=4)


@pytest.fixture
def load() -> Callable[..., Teacher]:
    """Return a function that makes the teacher of a file for digits."""

    def make(file: Path, **settings: object) -> Teacher:
        run = Run(recipe.read(["recipe=digits"]).recipe)
        ids = {"class_ids": list(run.images.class_ids)}
        block = {"name": "checkpoint", "source": str(file), "student": STUDENT, **ids, **settings}
        return run.make("teacher", block)

    return make


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def test_safetensors_are_read(net, load, images, tmp_path: Path):
    write_tensors(tmp_path / "w.safetensors", net.state_dict())
    teacher = load(tmp_path / "w.safetensors", mean=[0.25], std=[0.5])
    assert torch.equal(teacher(images), net((images - 0.25) / 0.5))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": {f"module.{k}": t for k, t in weights.items()}, "epoch": 3},
        lambda weights: {"model": {f"net.{k}": t for k, t in weights.items()}},
    ],
)
def test_torchs_files_are_read_however_the_weights_are_wrapped(
    net, load, images, tmp_path: Path, wrap
):
    torch.save(wrap(net.state_dict()), tmp_path / "w.pt")
    teacher = load(tmp_path / "w.pt", mean=[0.0], std=[1.0])
    assert torch.equal(teacher(images), net(images))


def test_outputs_are_gathered_by_class_id(net, load, images, tmp_path: Path):
    write_tensors(tmp_path / "w.safetensors", net.state_dict())
    ids = [str(i) for i in range(10)]
    run = Run(recipe.read(["recipe=digits"]).recipe)
    backwards = load(tmp_path / "w.safetensors", class_ids=list(reversed(run.images.class_ids)))
    forwards = load(tmp_path / "w.safetensors")
    wanted = tuple(run.images.class_ids)
    assert sorted(ids) == sorted(wanted)
    flipped = backwards.for_classes(wanted)(images)
    assert torch.equal(flipped, forwards.for_classes(wanted)(images).flip(1))


class Gadget:
    """An object that a careless reader would let write a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.file,)


def test_a_file_with_code_in_it_is_refused_and_not_run(load, tmp_path: Path):
    torch.save({"state_dict": {}, "x": Gadget(tmp_path / "ran")}, tmp_path / "w.pt")
    with pytest.raises(IntegrityError, match="more than weights"):
        load(tmp_path / "w.pt")
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_network_are_refused(net, load, tmp_path: Path):
    write_tensors(tmp_path / "w.safetensors", net.state_dict())
    with pytest.raises(UsageError, match="does not fit convnet with 10 classes"):
        load(tmp_path / "w.safetensors", student={**STUDENT, "width": 8})


def test_a_damaged_file_is_refused(net, load, tmp_path: Path):
    write_tensors(tmp_path / "w.safetensors", net.state_dict())
    content = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(content[:-40])
    with pytest.raises(IntegrityError, match="damaged"):
        load(tmp_path / "w.safetensors")


def test_a_file_without_weights_is_refused(load, tmp_path: Path):
    torch.save([1, 2], tmp_path / "w.pt")
    with pytest.raises(UsageError, match="holds no weights"):
        load(tmp_path / "w.pt")
    with pytest.raises(ResourceError, match="there is no file"):
        load(tmp_path / "absent.pt")


def test_a_network_of_the_users_own_code_is_refused(net, load, tmp_path: Path):
    write_tensors(tmp_path / "w.safetensors", net.state_dict())
    with pytest.raises(UsageError, match="is not one of ours"):
        load(tmp_path / "w.safetensors", student={"name": "os:system"})
