from pathlib import Path

import pytest
import torch

from ddoq.autoencoders.identity import Identity
from ddoq.data import encoding as module
from ddoq.data.encoding import encode
from ddoq.data.latents import LatentStore
from ddoq.errors import IntegrityError
from ddoq.files.artifacts import sha256
from ddoq.processes.world import World


def encoded(images, work: Path, autoencoder=None, world: World | None = None, **settings):
    work.mkdir(exist_ok=True)
    autoencoder = autoencoder or Identity()
    encode(images, autoencoder, work, seed=0, world=world or World(), **settings)
    return work


def one_of(size: int, rank: int) -> World:
    world = World()
    world.rank, world.size = rank, size
    return world


def checksums(folder: Path) -> dict[str, str]:
    return {f.name: sha256(f) for f in folder.iterdir()}


def test_latents_of_a_class_are_those_of_its_images_in_order(tiny_images, tmp_path: Path):
    store = LatentStore.open(encoded(tiny_images, tmp_path / "s"))
    for label in (0, 1):
        index = tiny_images.train.of_class(label)
        expected = tiny_images.pixels("train")[index].float() / 255 * 2 - 1
        assert torch.equal(store.index(label), index)
        torch.testing.assert_close(store.latents(label), expected)


def test_the_manifest_describes_the_store(tiny_images, tmp_path: Path):
    store = LatentStore.open(encoded(tiny_images, tmp_path / "s"))
    assert (store.counts, store.shape) == ([30, 18], (1, 8, 8))
    wanted = {"dtype": "float32", "scale": 2.0, "shift": 0.5, "images": tiny_images.fingerprint}
    assert {k: store.manifest[k] for k in wanted} == wanted
    assert [c["id"] for c in store.manifest["classes"]] == ["a", "b"]


def test_half_precision_is_stored_as_such(tiny_images, tmp_path: Path):
    store = LatentStore.open(encoded(tiny_images, tmp_path / "s", Identity(dtype="float16")))
    assert store.latents(0).dtype == torch.float16


def test_a_class_is_never_divided_between_shards(tiny_images, tmp_path: Path):
    store = LatentStore.open(encoded(tiny_images, tmp_path / "s", shard_bytes=256 * 20))
    assert [c["shard"] for c in store.manifest["classes"]] == [
        "shard-00000.safetensors",
        "shard-00001.safetensors",
    ]
    assert torch.equal(store.index(1), tiny_images.train.of_class(1))


def test_the_batch_size_changes_no_byte(tiny_images, tmp_path: Path):
    small = encoded(tiny_images, tmp_path / "small", batch_size=7)
    assert checksums(small) == checksums(encoded(tiny_images, tmp_path / "large"))


def test_two_ranks_write_the_files_of_one(tiny_images, tmp_path: Path):
    settings = {"shard_bytes": 256}
    alone = encoded(tiny_images, tmp_path / "alone", **settings)
    for rank in (1, 0):
        encoded(tiny_images, tmp_path / "both", world=one_of(2, rank), **settings)
    assert checksums(tmp_path / "both") == checksums(alone)


def test_an_interrupted_call_is_gone_on_with(tiny_images, tmp_path: Path, monkeypatch):
    whole = encoded(tiny_images, tmp_path / "whole", shard_bytes=256)
    once = module._encode_class
    done = []

    def stopping(images, autoencoder, label, *rest):
        done.append(label)
        if done == [0, 1]:
            raise KeyboardInterrupt
        return once(images, autoencoder, label, *rest)

    monkeypatch.setattr(module, "_encode_class", stopping)
    with pytest.raises(KeyboardInterrupt):
        encoded(tiny_images, tmp_path / "s", shard_bytes=256)
    assert [f.name for f in (tmp_path / "s").iterdir()] == ["shard-00000.safetensors"]
    encoded(tiny_images, tmp_path / "s", shard_bytes=256)
    assert done == [0, 1, 1]
    assert checksums(tmp_path / "s") == checksums(whole)


class Sampling(Identity):
    """Adds the noise that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.samples = True

    def encode(self, images, noise=None):
        assert noise is not None
        return super().encode(images) + noise


def test_the_noise_of_an_image_does_not_depend_on_its_batch(tiny_images, tmp_path: Path):
    small = encoded(tiny_images, tmp_path / "small", Sampling(), batch_size=7)
    large = encoded(tiny_images, tmp_path / "large", Sampling())
    assert checksums(small) == checksums(large)


class Broken(Identity):
    def encode(self, images, noise=None):
        return images / 0


def test_latents_that_are_not_finite_are_refused_with_the_class_named(tiny_images, tmp_path):
    with pytest.raises(IntegrityError, match="class 'above'"):
        encoded(tiny_images, tmp_path / "s", Broken())


class Large(Identity):
    def encode(self, images, noise=None):
        return super().encode(images) + 70_000.0


def test_latents_that_overflow_as_they_are_stored_are_refused(tiny_images, tmp_path):
    encoded(tiny_images, tmp_path / "single", Large())
    with pytest.raises(IntegrityError, match="dtype=float32"):
        encoded(tiny_images, tmp_path / "half", Large(dtype="float16"))
    assert list((tmp_path / "half").iterdir()) == []
