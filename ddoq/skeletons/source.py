"""Images of your own, from wherever they are.

python -m ddoq.fit recipe=imagefolder_quick data=MODULE:MySource
"""

import torch
from torch import Tensor

from ddoq.data.source import Split


class MySource:
    """Two kinds of pictures, made here: stripes that run down, and stripes that run across.

    Args:
        train: The number of training images. Replace it by what finds yours, such as a folder.
        seed: Another one makes other images.
    """

    def __init__(self, *, train: int = 200, seed: int = 0) -> None:
        self.class_ids = ("down", "across")  # unique, and the same wherever the program runs
        self.class_names = ("stripes down", "stripes across")  # for people
        self.channels, self.image_size = 1, 16
        self.mean, self.std = (0.5,), (0.3,)  # of each channel; images are normalized with them
        self.train, self.val, self.test = (
            _split(number, seed=3 * seed + place) for place, number in enumerate((train, 40, 100))
        )
        # Results are kept under this: another content needs another one.
        self.fingerprint = f"my stripes, {train} images of seed {seed}"


def _split(number: int, *, seed: int) -> Split:
    labels = torch.arange(number) % 2

    def read(indices: Tensor, size: int) -> Tensor:
        """Return some images: 8 bits, `[number, channels, size, size]`. Read files here."""
        drawn = [_picture(int(labels[i]), size, seed=1000 * seed + int(i)) for i in indices]
        return torch.stack(drawn)

    return Split(labels, read)


def _picture(label: int, size: int, *, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    period, phase = 3 + 3 * torch.rand(2, generator=draw)
    wave = torch.sin(6.28 * (torch.arange(size) / period + phase)).expand(1, size, size)
    noise = 30 * torch.randn(1, size, size, generator=draw)
    return (128 + 80 * (wave if label == 0 else wave.mT) + noise).clamp(0, 255).to(torch.uint8)
