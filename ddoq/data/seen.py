"""Records of the images that weights were trained on, to refuse measuring on them."""

from pathlib import Path

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from ddoq.data.images import Images
from ddoq.errors import NotMade, UsageError
from ddoq.files.given import intact
from ddoq.files.tensors import read_tensors, write_tensors

_FILE = "trained_on.safetensors"
# Public data sets contain a few pictures twice.
_TOLERATED_SHARE = 0.02
# The number of values hashed at a time. Each takes 16 bytes meanwhile.
_PIXELS = 2**22


def hashes(images: Images, split: str) -> Int[Tensor, " n"]:
    """Return a 64-bit hash of every image of a split, from its pixels at the run's size.

    Few images are in memory at a time, unless the whole split is in memory anyway.
    """
    dim = images.channels * images.image_size**2
    draw = torch.Generator().manual_seed(dim)
    factors = torch.randint(-(2**62), 2**62, (dim,), generator=draw)
    indices = torch.arange(len(images.split(split))).split(max(1, _PIXELS // dim))
    return torch.cat([_hashed(images.some(split, some), factors) for some in indices])


def _hashed(pixels: UInt8[Tensor, "n c h w"], factors: Int[Tensor, " dim"]) -> Int[Tensor, " n"]:
    # Integers wrap around, so this is a linear hash modulo 2^64.
    return (pixels.flatten(1).long() * factors).sum(1)


def remember(folder: Path, images: Images) -> None:
    """Write beside trained weights the hashes of the images they were trained on."""
    write_tensors(
        folder / _FILE,
        {"hashes": hashes(images, "train"), "image_size": torch.tensor(images.image_size)},
    )


def refuse_seen(folder: Path, images: Images, split: str) -> None:
    """Refuse weights that were trained on the images of a split.

    Weights of unknown origin, or trained at another size, cannot be checked and are accepted. A
    plan decodes no images for the check.
    """
    if not (folder / _FILE).is_file() or not images.fits_in_memory(split):
        return
    with intact(folder / _FILE):
        known = read_tensors(folder / _FILE)
        size, trained_on = int(known["image_size"]), known["hashes"]
    if size != images.image_size:
        return
    try:
        own = hashes(images, split)
    except NotMade:
        return
    share = float(torch.isin(own, trained_on).float().mean())
    if share > _TOLERATED_SHARE:
        raise UsageError(
            f"{folder}: these weights were trained on {share:.0%} of the {split} images",
            "keep the split they were trained with, or train your own: source=pretrain",
        )
