"""Preprocessings by the names that people give them: a range, a data set, or numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ddoq.data.images import Images
from ddoq.data.pictures import NORMALIZATION
from ddoq.data.preprocessing import ZCA, Normalize, Preprocessing, Unchanged
from ddoq.errors import DataError, UsageError
from ddoq.formats.tensors import opened
from ddoq.formats.told import ACCEPTED


@dataclass(frozen=True)
class Data:
    """The data that a set is scored on, as far as undoing its preprocessing asks for them."""

    images: Images
    whitening: Callable[[], ZCA]
    known_whitening: Callable[[], ZCA | None]
    """The same if it is made already, else None: it takes half a minute for CIFAR-10."""


def shown(normalized: Any) -> str:
    """Return a preprocessing in short words."""
    if isinstance(normalized, dict):
        return str(normalized.get("name", "mean and std"))
    return str(normalized).replace(" ", "")


def preprocessing_of(normalized: Any, images: Tensor, data: Data | None) -> Preprocessing:
    """Return the preprocessing that a person named."""
    channels = images.shape[1]
    if isinstance(normalized, list):
        return _of_range(normalized, channels)
    if isinstance(normalized, dict):
        return _given(normalized, images)
    if normalized == "imagenet":
        return _normalize(*NORMALIZATION[3], channels=channels)
    if normalized not in ("data", "zca"):
        return Unchanged()
    if data is None:
        raise UsageError(
            f"normalized={normalized} is that of a data set, which is not known here",
            "name a recipe of that data set: recipe=NAME",
        )
    if normalized == "data":
        return _normalize(data.images.mean, data.images.std, channels=channels)
    if not is_whitenable(images, data):
        own = data.images
        size = own.channels, own.image_size, own.image_size
        raise DataError(
            f"normalized=zca: the set's images are {_size(images.shape[1:])}, the data's "
            f"{_size(size)}",
            "set data.image_size, or give the whitening's own numbers: {name: zca, file: FILE}",
        )
    return data.whitening()


def _of_range(ends: list[Any], channels: int) -> Preprocessing:
    if len(ends) != 2 or not all(isinstance(e, int | float) for e in ends) or ends[0] >= ends[1]:
        raise UsageError(f"normalized={ends}", "give [black, white], for example [-1,1]")
    black, white = map(float, ends)
    width = white - black
    return _normalize((-black / width,), (1 / width,), channels=channels)


def _given(named: dict[str, Any], images: Tensor) -> Preprocessing:
    if named.keys() == {"mean", "std"}:
        values = [v if isinstance(v, list) else [v] for v in (named["mean"], named["std"])]
        if all(isinstance(n, int | float) for v in values for n in v):
            mean, std = (tuple(map(float, v)) for v in values)
            return _normalize(mean, std, channels=images.shape[1])
    if named.get("name") == "zca" and named.keys() == {"name", "file"}:
        return _whitening(Path(str(named["file"])).expanduser(), images[0].numel())
    raise UsageError(f"normalized={named}", f"use {ACCEPTED}")


def _normalize(mean: tuple[float, ...], std: tuple[float, ...], *, channels: int) -> Normalize:
    if not {len(mean), len(std)} <= {1, channels} or min(std) <= 0:
        raise UsageError(
            f"a mean {list(mean)} and a standard deviation {list(std)}, for images of {channels} "
            "channels",
            "give one number for each channel, with standard deviations above 0",
        )
    whole = [v * channels if len(v) == 1 else v for v in (tuple(mean), tuple(std))]
    return Normalize(*(tuple(map(float, v)) for v in whole))


def _whitening(file: Path, dim: int) -> ZCA:
    held = opened(file)
    names = ("matrix", "inverse", "mean")
    if not isinstance(held, dict) or not set(names) <= held.keys():
        raise DataError(f"{file}: it does not hold {', '.join(names)}", "save these three tensors")
    matrix, back, mean = (held[name].float() for name in names)
    if mean.numel() != dim or {matrix.shape, back.shape} != {(dim, dim)}:
        raise DataError(
            f"{file}: it whitens images of {mean.numel()} numbers, the set's have {dim}",
            "give the whitening of images of this size",
        )
    return ZCA(matrix, back, mean.flatten())


def is_whitenable(images: Tensor, data: Data) -> bool:
    """Say whether the data's whitening is one of such images."""
    own = data.images
    return images.shape[1:] == (own.channels, own.image_size, own.image_size)


def _size(shape: Any) -> str:
    return "x".join(map(str, shape))
