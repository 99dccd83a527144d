"""Torchvision's small labeled data sets."""

import hashlib
from typing import Any, Literal

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from ddoq.data.conversion import resized
from ddoq.data.source import Split, carve
from ddoq.errors import DataError
from ddoq.files.artifacts import fingerprint

# The mean and standard deviation of each channel over the training pixels.
_NORMALIZATION: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "CIFAR10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "CIFAR100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "FashionMNIST": ((0.2860,), (0.3530,)),
    "KMNIST": ((0.1918,), (0.3483,)),
    "MNIST": ((0.1307,), (0.3081,)),
    "STL10": ((0.4467, 0.4398, 0.4066), (0.2603, 0.2566, 0.2713)),
    "SVHN": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
}
_NAMED_SPLITS = ("STL10", "SVHN")


class Torchvision:
    """One of torchvision's data sets, with its own test split. Val is carved out of train.

    Args:
        root: The folder of torchvision's files.
        download: Whether to fetch them if they are not there.
        image_size: The data set's own if None.
    """

    def __init__(
        self,
        *,
        dataset: Literal["CIFAR10", "CIFAR100", "FashionMNIST", "KMNIST", "MNIST", "STL10", "SVHN"],
        root: str = "data",
        download: bool = False,
        image_size: int | None = None,
        val_share: float = 0.1,
        split_seed: int = 0,
    ) -> None:
        given = _opened(dataset, root, "train", download)
        pixels, labels = _tensors(given)
        test_pixels, test_labels = _tensors(_opened(dataset, root, "test", download))
        whole = Split(labels, lambda i, size: resized(pixels[i], size), is_held=True)
        kept, val = carve(labels, val_share, seed=split_seed, what="val")
        self.train, self.val = whole.select(kept), whole.select(val)
        self.test = Split(test_labels, lambda i, size: resized(test_pixels[i], size), is_held=True)
        numbers = range(int(labels.max()) + 1)
        self.class_names = tuple(getattr(given, "classes", [str(n) for n in numbers]))
        self.class_ids = self.class_names
        self.channels = pixels.shape[1]
        self.image_size = image_size or pixels.shape[-1]
        self.mean, self.std = _NORMALIZATION[dataset]
        digest = hashlib.sha256()
        for tensor in (pixels, labels, test_pixels, test_labels):
            digest.update(tensor.numpy().data)
        self.fingerprint = fingerprint(
            {
                "source": ["torchvision", dataset],
                "content": digest.hexdigest(),
                "split": [self.image_size, val_share, split_seed],
            }
        )


def _opened(dataset: str, root: str, split: str, download: bool) -> Any:
    from torchvision import datasets

    part = {"split": split} if dataset in _NAMED_SPLITS else {"train": split == "train"}
    try:
        # Torchvision checks the MD5 of what it unpickles.
        return getattr(datasets, dataset)(root, download=download, **part)
    except (RuntimeError, OSError, ValueError, AssertionError, EOFError) as error:
        remedy = "delete what is there and try again" if download else "set data.download=true"
        raise DataError(
            f"{dataset} is not in {root}, or is damaged: {error}",
            f"{remedy}, or point data.root to where torchvision put it",
        ) from error


def _tensors(given: Any) -> tuple[UInt8[Tensor, "n c h w"], Int[Tensor, " n"]]:
    pixels = torch.as_tensor(given.data)
    labels = given.labels if hasattr(given, "labels") else given.targets
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.shape[-1] == 3:
        pixels = pixels.permute(0, 3, 1, 2)
    return pixels.contiguous(), torch.as_tensor(labels, dtype=torch.int64)
