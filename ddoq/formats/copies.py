"""Copies of real images in a set: of training images, which is fine, and of test images."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.data.conversion import as_floats, in_floats
from ddoq.data.images import Images

# The distance, in gray levels (root mean square over pixels), up to which an image is a copy. On
# CIFAR-10 a JPEG of quality 90 is about 2 away from its original, of quality 50 about 8; the test
# image nearest to any of 10,000 training images is 17 away.
COPY = 8.0
# A copy is nearer to its original than to images of another split, by this factor at least: where
# all images are alike, and where a data set holds an image twice, nearness tells nothing.
_NEARER = 2.0
_SIDE = 32
# A mean over blocks leaves out a border of less than one block, so that it may enlarge a distance,
# by less than a tenth.
_SUSPECT = 1.1 * COPY


@dataclass(frozen=True)
class Copies:
    """The images of a set that are copies."""

    of_measured: list[int]
    """The rows that are copies of images of the measured split."""
    num_of_training: int | None
    """How many are copies of training images; None if these are too many to look through."""


def copies(images: Tensor, data: Images, split: str, tiles: int = 1) -> Copies:
    """Look for copies of the data's images, in 8 bits and at the data's size.

    If images have rows and columns of `tiles` smaller ones, each of these is looked at too, beside
    the data's images at its size.
    """
    own = (in_floats(images).clamp(0, 1) * 255).round() / 255
    is_copy, is_real = _compared(own, data, split, 1)
    if tiles > 1 and own.shape[-1] % tiles == 0:
        each = [
            side.split(side.shape[-1] // tiles, 3) for side in own.split(own.shape[-1] // tiles, 2)
        ]
        for tile in (one for row in each for one in row):
            more = _compared(tile, data, split, tiles)
            is_copy, is_real = is_copy | more[0], is_real | more[1]
    of_training = int(is_real.sum()) if data.fits_in_memory("train") else None
    return Copies(torch.nonzero(is_copy).flatten().tolist(), of_training)


def _compared(own: Tensor, data: Images, split: str, factor: int) -> tuple[Tensor, Tensor]:
    """Say which images are copies of measured ones, and which of training ones."""
    to_measured = distances(own, data, split, factor)
    suspects = torch.nonzero(to_measured <= COPY).flatten()
    all_rows = torch.arange(len(own)) if data.fits_in_memory("train") else suspects
    to_training = torch.full((len(own),), float("inf"))
    if len(all_rows):
        to_training[all_rows] = distances(own[all_rows], data, "train", factor)
    # With a distance of 0 to both, an image of the data stands in both splits.
    is_copy = (to_measured <= COPY) & (to_measured < to_training / _NEARER)
    return is_copy, to_training <= COPY


def distances(
    own: Float[Tensor, "n c h w"], data: Images, split: str, factor: int = 1
) -> Float[Tensor, " n"]:
    """Return the distance of each image to the nearest one of a split, in gray levels.

    The data's images are reduced by a factor, to the size of ours. Large images are compared
    reduced first, which makes distances smaller. Those that are near then are compared as they are.
    """
    reduced = _reduced(own)
    others = (_reduced(_shrunk(x, factor)) for x, _ in data.batches(split))
    best, place = nearest_of(reduced, others)
    if reduced.shape == own.shape:
        return best
    for row in torch.nonzero(best <= _SUSPECT).flatten().tolist():
        other = as_floats(data.split(split).read(place[row : row + 1], data.image_size))
        best[row] = 255 * (own[row] - _shrunk(other, factor)[0]).square().mean().sqrt()
    return best


def _shrunk(images: Tensor, factor: int) -> Tensor:
    return F.avg_pool2d(images, factor) if factor > 1 else images


def nearest_of(
    own: Float[Tensor, "n c h w"], batches: Iterable[Float[Tensor, "m c h w"]]
) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    """Return the distance to the nearest image of all batches, in gray levels, and its number."""
    flat, seen = own.flatten(1), 0
    best, place = torch.full((len(own),), float("inf")), torch.zeros(len(own), dtype=torch.int64)
    for batch in batches:
        found, rows = torch.cdist(flat, batch.flatten(1)).min(1)
        found = 255 * found / flat.shape[1] ** 0.5
        is_nearer = found < best
        best = torch.where(is_nearer, found, best)
        place = torch.where(is_nearer, rows + seen, place)
        seen += len(batch)
    return best, place


def _reduced(images: Tensor) -> Tensor:
    """Return means over blocks of pixels, of about 32 x 32 blocks."""
    side = images.shape[-1] // _SIDE
    return F.avg_pool2d(images, side) if side > 1 else images
