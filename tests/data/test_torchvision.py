import hashlib
import pickle
import struct

import numpy as np
import pytest
import torch
from torchvision import datasets

from ddoq.data.images import Images
from ddoq.data.torchvision import Torchvision
from ddoq.errors import DataError


def _write_idx(file, array):
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    file.write_bytes(header + array.tobytes())


def _write_mnist(root, name="MNIST", num=40):
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    for part, offset in (("train", 0), ("t10k", 100)):
        labels = np.arange(num, dtype=np.uint8) % 10
        images = np.broadcast_to((labels + offset)[:, None, None], (num, 28, 28))
        _write_idx(folder / f"{part}-images-idx3-ubyte", images)
        _write_idx(folder / f"{part}-labels-idx1-ubyte", labels)


def _write_cifar(root, monkeypatch):
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    red = np.zeros((20, 3, 32, 32), np.uint8)
    red[:, 0] = 200
    batch = {"data": red.reshape(20, -1), "labels": [i % 10 for i in range(20)]}
    (folder / "batch").write_bytes(pickle.dumps(batch))
    (folder / "meta").write_bytes(pickle.dumps({"label_names": [f"thing {i}" for i in range(10)]}))
    md5 = {
        name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in ("batch", "meta")
    }
    for parts in ("train_list", "test_list"):
        monkeypatch.setattr(datasets.CIFAR10, parts, [["batch", md5["batch"]]])
    meta = {"filename": "meta", "key": "label_names", "md5": md5["meta"]}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)


def _values(split):
    return split.read(torch.arange(len(split)), 28)[:, 0, 0, 0].tolist()


def test_mnist_pixels_and_labels_belong_together(tmp_path):
    _write_mnist(tmp_path)
    source = Torchvision(dataset="MNIST", root=str(tmp_path))
    assert _values(source.train) == source.train.labels.tolist()
    assert _values(source.test) == [100 + label for label in source.test.labels.tolist()]
    assert (source.image_size, source.channels, len(source.test)) == (28, 1, 40)
    assert source.class_names[3] == "3 - three"


def test_val_is_a_share_of_every_class_of_train(tmp_path):
    _write_mnist(tmp_path)
    source = Torchvision(dataset="MNIST", root=str(tmp_path), val_share=0.25)
    assert source.val.labels.bincount().tolist() == [1] * 10
    assert source.train.labels.bincount().tolist() == [3] * 10


def test_fashion_has_names_of_its_own(tmp_path):
    _write_mnist(tmp_path, "FashionMNIST")
    assert Torchvision(dataset="FashionMNIST", root=str(tmp_path)).class_ids[9] == "Ankle boot"


def test_cifar_keeps_its_colors_and_names(tmp_path, monkeypatch):
    _write_cifar(tmp_path, monkeypatch)
    source = Torchvision(dataset="CIFAR10", root=str(tmp_path))
    assert source.test.read(torch.tensor([0]), 32)[0, :, 5, 7].tolist() == [200, 0, 0]
    assert source.class_names[2] == "thing 2"
    assert Images(source).pixels("train").shape[1:] == (3, 32, 32)


def test_another_size_is_scaled_to(tmp_path):
    _write_mnist(tmp_path)
    images = Images(Torchvision(dataset="MNIST", root=str(tmp_path), image_size=14))
    assert images.pixels("test")[7].unique().tolist() == [107]
    assert images.image_size == 14


def test_missing_files_are_told_with_the_way_to_get_them(tmp_path):
    with pytest.raises(DataError, match=rf"KMNIST is not in {tmp_path}.*\n.*data.download=true"):
        Torchvision(dataset="KMNIST", root=str(tmp_path))


def test_a_damaged_file_is_told(tmp_path):
    _write_mnist(tmp_path)
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"MNIST is not in .* or is damaged"):
        Torchvision(dataset="MNIST", root=str(tmp_path))


def test_the_fingerprint_changes_with_one_label(tmp_path):
    _write_mnist(tmp_path)
    before = Torchvision(dataset="MNIST", root=str(tmp_path)).fingerprint
    assert Torchvision(dataset="MNIST", root=str(tmp_path)).fingerprint == before
    file = tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    assert Torchvision(dataset="MNIST", root=str(tmp_path)).fingerprint != before
