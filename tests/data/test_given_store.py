import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ddoq.data.latents import LatentStore
from ddoq.errors import DataError, IntegrityError
from ddoq.files.artifacts import commit
from ddoq.files.tensors import write_tensors

Store = Callable[[list[torch.Tensor]], LatentStore]


@pytest.fixture
def folder(make_store: Store, tmp_path: Path) -> Path:
    """A published store of two classes."""
    made = make_store([torch.randn(6, 2, 2), torch.randn(3, 2, 2)])
    commit(made.folder, tmp_path / "given")
    return tmp_path / "given"


def test_a_store_as_it_was_published_is_opened(folder: Path):
    assert LatentStore.given(folder).counts == [6, 3]


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"no manifest\.json"):
        LatentStore.given(tmp_path)


def test_an_altered_byte_is_noticed(folder: Path):
    file = folder / "all.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(IntegrityError, match="another checksum"):
        LatentStore.given(folder)


def without_checksums(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    kept = {k: manifest[k] for k in ("shape", "classes")}
    (folder / "manifest.json").write_text(json.dumps(kept))


def test_a_truncated_shard_is_named_even_without_checksums(folder: Path):
    without_checksums(folder)
    file = folder / "all.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(IntegrityError, match=r"all\.safetensors, class 0 cannot be read"):
        LatentStore.given(folder)


def test_latents_of_another_shape_than_the_manifest_says_are_refused(folder: Path):
    without_checksums(folder)
    tensors = {"latents": torch.randn(9, 5), "index": torch.arange(9)}
    write_tensors(folder / "all.safetensors", tensors)
    with pytest.raises(IntegrityError, match=r"6 latents \(5,\) float32, the manifest says"):
        LatentStore.given(folder)


def test_missing_rows_are_noticed(folder: Path):
    without_checksums(folder)
    tensors = {"latents": torch.randn(7, 2, 2), "index": torch.arange(7)}
    write_tensors(folder / "all.safetensors", tensors)
    with pytest.raises(IntegrityError, match="class 1: 1 latents"):
        LatentStore.given(folder)
