"""A set as it is written, and what stands beside it in every format."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from ddoq.data.conversion import as_bytes, in_floats
from ddoq.errors import DataError
from ddoq.files.places import without_places
from ddoq.synthetic import SyntheticSet

PICTURE_MODES = {1: "L", 3: "RGB"}
"""Pillow's modes, by the number of channels."""


@dataclass(frozen=True)
class Rounding:
    """How much the images of a learned set changed when they became pictures of 8 bits."""

    mean: float
    """The mean change, in gray levels."""
    largest: float
    clipped: int
    """Pixels below 0 or above 1, which no picture can hold."""
    pixels: int

    @property
    def text(self) -> str:
        """The change in words."""
        return (
            f"float images became pictures of 8 bits: pixels changed by {self.mean:.2f} gray "
            f"levels in the mean and {self.largest:.1f} at most; {self.clipped} of {self.pixels} "
            "lay outside black and white and were clipped"
        )


@dataclass(frozen=True)
class Exported:
    """A set, its soft labels, and the mean and standard deviation to normalize it with."""

    synthetic: SyntheticSet
    soft_labels: Tensor | None = None
    soft_of: Literal["", "targets", "teacher"] = ""
    """Whose the soft labels are: the set's own targets, or a teacher's probabilities."""
    mean: tuple[float, ...] | None = None
    """Of the real training images; None if these are not known."""
    std: tuple[float, ...] | None = None
    rounding: Rounding | None = None

    @property
    def usable_names(self) -> tuple[str, ...]:
        """The classes' names or, if two classes have the same name, their ids."""
        names = self.synthetic.class_names
        return names if len(set(names)) == len(names) else self.synthetic.class_ids

    @property
    def normalization(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation: of the real images, else of the set's own."""
        if self.mean is not None and self.std is not None:
            return list(self.mean), list(self.std)
        pixels = in_floats(self.synthetic.images).transpose(0, 1).flatten(1).double()
        mean, std = ([round(float(x), 4) for x in one] for one in (pixels.mean(1), pixels.std(1)))
        return mean, std

    def about(self, writer: str) -> dict[str, Any]:
        """Return what `about.json` holds."""
        synthetic = self.synthetic
        written = {
            "format": writer,
            "soft_labels": self.soft_of,
            "images": self.rounding.text if self.rounding else "as in the set",
        }
        return {
            "class_ids": list(synthetic.class_ids),
            "class_names": list(synthetic.class_names),
            "mean": None if self.mean is None else list(self.mean),
            "std": None if self.std is None else list(self.std),
            "hints": synthetic.hints,
            "provenance": {**without_places(synthetic.provenance), "exported": written},
        }


def rounded(synthetic: SyntheticSet) -> tuple[SyntheticSet, Rounding | None]:
    """Return a set with pictures of 8 bits, and what that changed; None if nothing had to."""
    images = synthetic.images
    if images.dtype == torch.uint8:
        return synthetic, None
    levels = as_bytes(images)
    change = (levels.double() - 255 * images.double()).abs()
    clipped = int(((images < 0) | (images > 1)).sum())
    told = Rounding(float(change.mean()), float(change.max()), clipped, images.numel())
    return replace(synthetic, images=levels, space="image"), told


def refuse_unseen(synthetic: SyntheticSet, writer: str) -> None:
    """Refuse images that are no pictures, for a format of pictures."""
    channels = synthetic.images.shape[1]
    if channels not in PICTURE_MODES:
        raise DataError(
            f"images of {channels} channels are no pictures, which {writer} holds",
            "use to=webdataset, to=safetensors or to=torch, which hold any",
        )
