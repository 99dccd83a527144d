"""The field's loader: a folder of pictures, Pillow's transforms, a DataLoader with workers."""

from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from ddoq.protocols.protocol import Protocol
from ddoq.synthetic import SyntheticSet


def write_pictures(synthetic: SyntheticSet, folder: Path, suffix: str) -> None:
    """Write a set as a folder of pictures, a folder per class."""
    for index, (image, label) in enumerate(zip(synthetic.images, synthetic.labels, strict=True)):
        place = folder / f"{int(label):04d}"
        place.mkdir(parents=True, exist_ok=True)
        # Gray pictures have no axis of channels.
        pixels = image.permute(1, 2, 0).numpy().squeeze()
        # Quality 100 keeps JPEG's decoding cost near that of the field's files.
        Image.fromarray(pixels).save(place / f"{index:06d}.{suffix}", quality=100)


def make_loader(
    folder: Path,
    protocol: Protocol,
    *,
    size: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    workers: int,
) -> "DataLoader[tuple[Tensor, Tensor]]":
    """Return a loader with a protocol's crop and flip, and normalization."""
    assert protocol.crop is not None
    low, high = protocol.crop
    steps = [
        *([v2.Grayscale()] if len(mean) == 1 else []),
        v2.RandomResizedCrop(size, scale=(low, high), antialias=True),
        *([v2.RandomHorizontalFlip()] if protocol.flip else []),
        v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(mean=list(mean), std=list(std)),
    ]
    return DataLoader(
        ImageFolder(folder, transform=v2.Compose(steps)),
        batch_size=protocol.batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        drop_last=True,
    )


def endless(loader: "DataLoader[tuple[Tensor, Tensor]]") -> Iterator[tuple[Tensor, Tensor]]:
    """Repeat a loader's epochs."""
    while True:
        yield from loader
