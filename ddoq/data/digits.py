"""Scikit-learn's digits: 1797 images of 8x8, embedded in the package, offline."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ddoq.data.conversion import resized
from ddoq.data.source import Split, carve
from ddoq.files.artifacts import fingerprint


def _table() -> Any:
    """Return a row for each image: its 64 gray levels, and its label."""
    package = find_spec("sklearn")
    place = Path(package.origin).parent if package and package.origin else Path()
    file = place / "datasets" / "data" / "digits.csv.gz"
    if file.is_file():
        # To import scikit-learn takes longer than all else that a finished run does.
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    return np.column_stack([digits.data, digits.target]).astype(float)


class Digits:
    """The 8x8 digits. Scikit-learn gives no split, so a fixed seed makes one, class by class."""

    def __init__(
        self,
        *,
        image_size: int = 8,
        test_share: float = 0.3,
        val_share: float = 0.1,
        split_seed: int = 0,
    ) -> None:
        table = torch.from_numpy(_table())
        # There are 17 gray levels, 0 to 16.
        pixels = (table[:, :64].reshape(-1, 1, 8, 8) / 16 * 255).round().to(torch.uint8)
        labels = table[:, 64].long()
        whole = Split(labels, lambda i, size: resized(pixels[i], size), is_held=True)
        rest, test = carve(labels, test_share, seed=split_seed, what="test")
        kept, val = carve(labels[rest], val_share, seed=split_seed, what="val")
        self.train = whole.select(rest[kept])
        self.val = whole.select(rest[val])
        self.test = whole.select(test)
        self.class_names = self.class_ids = tuple(str(d) for d in range(10))
        self.channels, self.image_size = 1, image_size
        self.mean, self.std = (0.305,), (0.376,)
        self.fingerprint = fingerprint(
            {
                "source": "digits",
                "sum": int(pixels.long().mul(torch.arange(len(pixels))[:, None, None, None]).sum()),
                "split": [image_size, test_share, val_share, split_seed],
            }
        )
