"""Scikit-learn's digits: 1797 images of 8x8, embedded in the package, offline."""

from typing import Any

import torch

from ddoq.data.images import Split, carve, resized
from ddoq.files.artifacts import fingerprint


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
        from sklearn.datasets import load_digits

        digits: Any = load_digits()
        # There are 17 gray levels, 0 to 16.
        pixels = torch.tensor(digits.images / 16 * 255).round().to(torch.uint8)[:, None]
        labels = torch.tensor(digits.target, dtype=torch.int64)
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
