"""Have these weights seen the images that they are measured on?"""

from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from ddoq.artifacts import read_tensors, write_tensors
from ddoq.data.images import Images
from ddoq.errors import UsageError

_FILE = "trained_on.safetensors"
# Public data sets hold a few pictures twice.
_TOLERATED_SHARE = 0.02


def hashes(images: Images, split: str) -> Int[Tensor, " n"]:
    """Return a 64-bit hash of every image of a split, as its pixels are at the run's size."""
    pixels = images.pixels(split).flatten(1).long()
    draw = torch.Generator().manual_seed(pixels.shape[1])
    factors = torch.randint(-(2**62), 2**62, (pixels.shape[1],), generator=draw)
    # Integers wrap around: a linear hash modulo 2^64.
    return (pixels * factors).sum(1)


def remember(folder: Path, images: Images) -> None:
    """Write beside trained weights what they were trained on."""
    write_tensors(
        folder / _FILE,
        {"hashes": hashes(images, "train"), "image_size": torch.tensor(images.image_size)},
    )


def refuse_seen(folder: Path, images: Images, split: str) -> None:
    """Refuse weights that were trained on the images of a split.

    Weights of unknown origin, or trained at another size, cannot be checked and are let through.
    """
    if not (folder / _FILE).is_file() or not images.fits_in_memory(split):
        return
    known = read_tensors(folder / _FILE)
    if int(known["image_size"]) != images.image_size:
        return
    share = float(torch.isin(hashes(images, split), known["hashes"]).float().mean())
    if share > _TOLERATED_SHARE:
        raise UsageError(
            f"{folder}: these weights were trained on {share:.0%} of the {split} images",
            "keep the split they were trained with, or train your own: source=pretrain",
        )
