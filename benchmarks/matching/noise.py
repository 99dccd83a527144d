"""Random pictures: what a step takes does not depend on what is seen."""

import torch
from torch import Tensor

from ddoq import keyed
from ddoq.data.conversion import resized
from ddoq.data.source import Split


class Noise:
    """Ten classes of uniform noise of 3 x 32 x 32 pixels."""

    def __init__(self, *, of_class: int = 256, image_size: int = 32) -> None:
        self.class_names = self.class_ids = tuple("0123456789")
        self.channels, self.image_size = 3, image_size
        self.mean, self.std = (0.5,) * 3, (0.29,) * 3
        self.train = self._split(of_class, "train")
        self.val, self.test = self._split(1, "val"), self._split(1, "test")
        self.fingerprint = f"noise {of_class} {image_size}"

    def _split(self, of_class: int, name: str) -> Split:
        labels = torch.arange(10).repeat_interleave(of_class)
        shape = len(labels), self.channels, self.image_size, self.image_size
        pixels = torch.randint(256, shape, generator=keyed.generator("noise", name)).byte()

        def read(rows: Tensor, size: int) -> Tensor:
            return resized(pixels[rows], size)

        return Split(labels, read, is_held=True)
