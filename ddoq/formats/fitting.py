"""A set that others made, fitted to the data that it is scored on, with what was done said."""

import contextlib
import warnings
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from ddoq.data.conversion import as_bytes, in_floats
from ddoq.errors import DataError, UsageError
from ddoq.formats import folder
from ddoq.formats.classes import mapped
from ddoq.formats.likeness import doubt, likeness, num_constant, real_sample
from ddoq.formats.named import Data
from ddoq.formats.reading import name_of, read
from ddoq.formats.told import Told
from ddoq.formats.undoing import Undone, better_fitting, undone
from ddoq.synthetic import SyntheticSet

# ITU-R 601, as Pillow converts to gray.
_GRAY = (0.299, 0.587, 0.114)


def opened_set(path: Path, told: Told) -> SyntheticSet:
    """Return a set whose preprocessing needs no data to be undone."""
    found = read(path, told)
    if is_ours(path):
        return found
    with _named(path):
        return replace(found, images=_undone(found, told, None).images)


def is_ours(path: Path) -> bool:
    """Say whether a folder is a set of ddoq's or a run's, whose images are never normalized."""
    return (folder.inner(path.expanduser()) / "set.json").is_file()


def fitted(path: Path, told: Told, data: Data, name: str = "") -> SyntheticSet:
    """Return a set with the data's classes and size. Its provenance says what was done (`read`)."""
    found, ours = read(path, told), is_ours(path)
    with _named(path):
        done = Undone(found.images, "") if ours else _undone(found, told, data)
        images, sized = _sized(done.images, data, told)
        odd = (
            []
            if ours or data.images.modality != "image"
            else _oddities(found, images, done, told, data)
        )
        one, own = replace(found, images=images, latents=None), data.images
        known, how = mapped(one, own.class_ids, own.class_names, told.classes)
    for one in odd:
        warnings.warn(f"{path}: the images have {one}", stacklevel=2)
    remarks = [done.name, *odd, sized, "as ddoq saved it" if ours else f"classes by {how}"]
    made = {k: v for k, v in known.provenance.items() if k in ("distiller", "decoder")}
    rest = {k: v for k, v in known.provenance.items() if k not in made}
    about = {"distiller": name or name_of(path), "read": ", ".join(filter(None, remarks))}
    return replace(known, provenance={**rest, **({"made": made} if made else {}), **about})


@contextlib.contextmanager
def _named(path: Path) -> Generator[None]:
    """Name the set in errors about it."""
    try:
        yield
    except (DataError, UsageError) as error:
        raise type(error)(f"{path}: {error.cause}", error.remedy) from error


def _oddities(
    found: SyntheticSet, images: Tensor, done: Undone, told: Told, data: Data
) -> list[str]:
    """Return what is odd about images as they are now. What cannot be right is refused."""
    odd: list[str] = []
    if not (done.is_proven or told.unusual or _is_exported(found, told)):
        better = better_fitting(found.images, told.normalized, data) if done.name else ""
        odd.append(doubt(likeness(images, real_sample(data.images)), done.name, better))
    if flat := num_constant(images):
        odd.append(f"one color each, in {flat} of {len(images)}")
    return [one for one in odd if one]


def _is_exported(found: SyntheticSet, told: Told) -> bool:
    """Say whether ddoq exported a set. It is never normalized, but may leave [0, 1]."""
    return told.normalized is None and "exported" in found.provenance


def _undone(found: SyntheticSet, told: Told, data: Data | None) -> Undone:
    normalized = "none" if _is_exported(found, told) else told.normalized
    return undone(found.images, normalized, data, unusual=told.unusual)


def _sized(images: Tensor, data: Data, told: Told) -> tuple[Tensor, str]:
    """Return images of the data's size and channels, and what was done for that."""
    (channels, side), own = images.shape[1:3], data.images
    if (channels, side) == (own.channels, own.image_size):
        return images, ""
    if not told.resize or data.images.modality != "image":
        raise DataError(
            f"its images are {channels}x{side}x{side}, the data's "
            f"{own.channels}x{own.image_size}x{own.image_size}",
            "set data.image_size, or bring the set's images to that size: resize=true",
        )
    floats = in_floats(images)
    if channels == 3 and own.channels == 1:
        floats = (floats * floats.new_tensor(_GRAY)[:, None, None]).sum(1, keepdim=True)
    floats = floats.expand(-1, own.channels, -1, -1)
    if side != own.image_size:
        sides = (own.image_size, own.image_size)
        floats = F.interpolate(floats, size=sides, mode="bilinear", antialias=True)
    is_bytes = not images.is_floating_point()
    return as_bytes(floats) if is_bytes else floats, f"resized from {channels}x{side}x{side}"
