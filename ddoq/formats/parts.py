"""The parts of a set as its files have them, and the set that they make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ddoq.errors import DataError
from ddoq.formats.layout import ABOUT_FILE
from ddoq.formats.told import Told
from ddoq.synthetic import SyntheticSet

_CHANNELS = (1, 3)
_IMAGES = "give 8-bit images (uint8), or floats"
_IGNORE = "ignore"
_LABELS = "give [n] numbers of classes from 0 on, or [n, classes] soft labels"


@dataclass(frozen=True)
class Parts:
    """What files say of a set. Images may still be normalized, classes may be numbers only."""

    images: Tensor
    labels: Tensor | None = None
    soft_labels: Tensor | None = None
    weights: Tensor | None = None
    lr: float | None = None
    class_names: tuple[str, ...] = ()
    """Empty if the files only number the classes."""
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What stands beside the files (`about.json`)."""
    columns: list[int] | None = None
    """The columns of soft labels, in the order of the classes; None if they are in it."""

    def whole(self, place: Path, told: Told) -> SyntheticSet:
        """Return the set, with its images as the files have them."""
        from ddoq.formats.tensors import one_tensor

        images = square(self.images, place)
        soft = self.soft_labels if told.targets is None else None
        if told.targets not in (None, _IGNORE):
            soft = one_tensor(Path(str(told.targets)))
        for one in (soft, self.soft_labels):
            _refuse_soft(one, len(images), place)
        if soft is not None and self.columns and soft.shape[1:] == (len(self.columns),):
            soft = soft[:, self.columns]
        weights = self.weights if told.weights is None else None
        if told.weights not in (None, _IGNORE):
            weights = one_tensor(Path(str(told.weights))).flatten()
        labels = self._labels(soft if soft is not None else self.soft_labels, place, told)
        lr = _rate(self.lr if told.lr is None else told.lr)
        ids, names = self._classes(labels, soft)
        try:
            return SyntheticSet(
                images=images,
                labels=labels,
                weights=torch.ones(len(images)) if weights is None else weights.to(torch.float64),
                class_ids=ids,
                class_names=names,
                targets=None if soft is None else soft.float(),
                hints={**self.about.get("hints", {}), **({} if lr is None else {"lr": lr})},
                provenance={**self.about.get("provenance", {})},
                # Until their preprocessing is undone, this is not so.
                space="image",
            )
        except DataError as error:
            raise DataError(f"{place}: {error.cause}", error.remedy) from error

    def _first(self, told: Told) -> Literal[0, 1] | None:
        """Return the number of the first class, which is 0 where the files name their classes."""
        return 0 if self.class_names else told.first_label

    def _labels(self, soft: Tensor | None, place: Path, told: Told) -> Tensor:
        if self.labels is not None:
            return whole_labels(self.labels, len(self.images), place, self._first(told))
        if soft is None:
            raise DataError(
                f"{place}: the set has images, but no labels",
                "give a number for each image, from 0 on, or soft labels",
            )
        return soft.argmax(1)

    def _classes(
        self, labels: Tensor, soft: Tensor | None
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the ids and the names of the classes: numbers, if the files say no more."""
        names = tuple(self.about.get("class_names") or self.about.get("class_ids") or ())
        ids = tuple(self.about.get("class_ids") or names)
        if self.class_names:
            ids, names = _in_order(ids, names, self.class_names)
        if not ids:
            number = int(labels.max()) + 1
            if soft is not None and self.labels is None:
                number = soft.shape[1]
            ids = tuple(map(str, range(number)))
        return ids, names or ids


def _in_order(
    ids: tuple[str, ...], names: tuple[str, ...], given: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return ids and names in the order in which the files number the classes that they name."""
    for own in (ids, names):
        if len(ids) == len(names) == len(given) and sorted(own) == sorted(given):
            order = [own.index(name) for name in given]
            return tuple(ids[i] for i in order), tuple(names[i] for i in order)
    if ids:
        raise DataError(
            f"the files name the classes {', '.join(given[:3])}, {ABOUT_FILE} {', '.join(ids[:3])}",
            f"name the same classes in both, or remove {ABOUT_FILE}",
        )
    return given, given


def whole_labels(
    labels: Tensor, number: int, place: Path, first: Literal[0, 1] | None = None
) -> Tensor:
    """Return labels as numbers of classes from 0 on. Those that may count from 1 are asked about.

    `first` is the number that the first class has in them, or None if nobody said so.
    """
    shape = "x".join(map(str, labels.shape)) or "a single number"
    is_flat = labels.ndim > 0 and labels.numel() == len(labels) > 0
    if not is_flat or labels.dtype == torch.bool:
        raise DataError(f"{place}: the labels are {shape} of {labels.dtype}", _LABELS)
    # Not all kinds of integers can be compared.
    numbers = labels.reshape(-1).double() - (first or 0)
    if not torch.equal(numbers, numbers.round()):
        raise DataError(f"{place}: the labels are no whole numbers", _LABELS)
    _refuse_numbers(numbers, number, place, first)
    return numbers.long()


def _refuse_numbers(numbers: Tensor, number: int, place: Path, first: int | None) -> None:
    """Refuse numbers of classes out of range, and ask what 1 to n is unless somebody said so."""
    low, high = (int(n) for n in numbers.aminmax())
    if low < 0 and first:
        raise DataError(
            f"{place}: first_label=1, but its labels begin at {low + first}",
            "say it of the set that counts from 1 alone: sets=[{path: FILE, first_label: 1}]",
        )
    if low < 0 or high > number:
        raise DataError(
            f"{place}: the labels are from {low} to {high}, of {number} images",
            "number the classes from 0 on, each with an image; first_label=1 if they count from 1",
        )
    if first is None and low == 1 and len(numbers.unique()) == high:
        raise DataError(
            f"{place}: the labels are 1 to {high}: do they count from 1?",
            "say first_label=1 if they do, or first_label=0 if class 0 has no image",
        )


def _refuse_soft(soft: Tensor | None, number: int, place: Path) -> None:
    if soft is None:
        return
    if soft.ndim != 2 or len(soft) != number or not soft.shape[1]:
        shape = "x".join(map(str, soft.shape)) or "a single number"
        raise DataError(
            f"{place}: the soft labels are {shape}, of {number} images", "give [n, classes]"
        )
    if not bool(soft.double().isfinite().all()):
        raise DataError(f"{place}: a soft label is not finite", "give [n, classes] finite numbers")


def square(images: Tensor, place: Path) -> Tensor:
    """Return images as `[n, channels, side, side]`, in 8 bits or single precision."""
    shape, sides = "x".join(map(str, images.shape)) or "a single number", images.shape[1:]
    if images.ndim and not images.numel():
        raise DataError(f"{place}: the images are {shape}: there are none", "give each class one")
    if images.ndim == 3 and sides[0] == sides[1]:
        images = images[:, None]
    elif images.ndim != 4:
        raise DataError(f"{place}: the images are {shape}", "give [n, channels, side, side]")
    else:
        is_first = sides[0] in _CHANNELS and sides[1] == sides[2]
        is_last = sides[2] in _CHANNELS and sides[0] == sides[1]
        if is_first == is_last:
            why = "may be either way round" if is_first else "have no 1 or 3 channels and two sides"
            raise DataError(
                f"{place}: the images are {shape}, which {why}",
                "give square images as [n, channels, side, side]",
            )
        images = images if is_first else images.permute(0, 3, 1, 2)
    return _number(images.detach(), place).contiguous()


def _number(images: Tensor, place: Path) -> Tensor:
    if images.dtype == torch.uint8:
        return images
    if images.is_floating_point():
        return images.float()
    if images.dtype == torch.bool:
        raise DataError(f"{place}: the images are {images.dtype}", _IMAGES)
    low, high = (int(x) for x in images.long().aminmax())
    if not 0 <= low <= high <= 255:
        raise DataError(f"{place}: the images are {images.dtype}, from {low} to {high}", _IMAGES)
    return images.to(torch.uint8)


def _rate(lr: float | str | None) -> float | None:
    from ddoq.formats.tensors import one_tensor

    if not isinstance(lr, str):
        return None if lr is None else float(lr)
    try:
        return float(lr)
    except ValueError:
        number = one_tensor(Path(lr))
    if number.numel() != 1:
        raise DataError(f"lr={lr}: it holds {number.numel()} numbers", "give a file of one rate")
    return float(number)
