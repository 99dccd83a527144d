"""The checks of a synthetic set when it is made."""

from math import isfinite
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ddoq.errors import DataError

if TYPE_CHECKING:
    from ddoq.synthetic import SyntheticSet

# What a set need not have.
OPTIONAL = ("targets", "latents")


def check(s: "SyntheticSet") -> None:
    """Refuse a set whose parts do not belong together, or cannot be what they should be."""
    _check_lengths(s)
    _check_images(s.images, s.space)
    _check_classes(s)
    _check_weights(s.weights, s.targets)


def _check_lengths(s: "SyntheticSet") -> None:
    lengths = {"labels": len(s.labels), "weights": len(s.weights)}
    lengths |= {k: len(v) for k, v in s.columns.items()}
    lengths |= {k: len(getattr(s, k)) for k in OPTIONAL if getattr(s, k) is not None}
    wrong = [f"{k} has {v}" for k, v in lengths.items() if v != len(s.images)]
    if wrong:
        raise DataError(
            f"{len(s.images)} images, but {', '.join(wrong)}", "give one value per image"
        )


def _check_images(images: Tensor, space: str | None) -> None:
    shape = "x".join(map(str, images.shape))
    if images.ndim != 4 or images.shape[-2] != images.shape[-1] or 0 in images.shape:
        raise DataError(
            f"the images are {shape}", "give [n, channels, side, side], at least one and square"
        )
    if images.dtype not in (torch.uint8, torch.float32):
        raise DataError(f"the images are {images.dtype}", "give uint8, or float32 in [0, 1]")
    if space not in (None, "image"):
        raise DataError(f"space={space!r}", "give 'image', or leave it out")
    if images.dtype == torch.uint8:
        return
    low, high = (float(x) for x in images.aminmax())
    # One NaN makes both bounds NaN.
    if not isfinite(low) or not isfinite(high):
        raise DataError("the images hold values that are not finite", "leave them out")
    if space is None and not 0 <= low <= high <= 1:
        raise DataError(
            f"float images range from {low:.4g} to {high:.4g}, but do not state their space",
            "undo a normalization, or divide by 255, so that 0 is black and 1 is white; if this is "
            "so already, and some leave [0, 1], set space='image' (in set.json, too)",
        )


def _check_classes(s: "SyntheticSet") -> None:
    ids, names, labels = s.class_ids, s.class_names, s.labels
    if len(set(ids)) < len(ids) or len(names) != len(ids):
        twice = sorted({c for c in ids if ids.count(c) > 1})
        raise DataError(
            f"class ids {', '.join(twice)} occur twice"
            if twice
            else f"{len(ids)} class ids, but {len(names)} class names",
            "give each class one id and one name",
        )
    if labels.dtype != torch.int64 or labels.ndim != 1:
        raise DataError(
            f"the labels are {labels.dtype} of {labels.ndim} dimensions",
            "give [n] indices into class_ids as int64; soft labels belong in targets",
        )
    low, high = int(labels.min()), int(labels.max())
    if not 0 <= low <= high < len(ids):
        raise DataError(
            f"labels range from {low} to {high}",
            f"with {len(ids)} classes they must lie in 0 to {len(ids) - 1}",
        )
    empty = [c for c, n in zip(ids, labels.bincount(minlength=len(ids)), strict=True) if n == 0]
    if empty:
        raise DataError(
            f"no images of {len(empty)} classes: {', '.join(empty[:5])}",
            "give each class an image, or leave the class out",
        )


def _check_weights(weights: Tensor, targets: Tensor | None) -> None:
    if not weights.is_floating_point() or weights.ndim != 1:
        raise DataError(f"the weights are {weights.dtype}", "give [n] floats")
    if not bool(weights.isfinite().all()) or bool((weights < 0).any()):
        raise DataError("a weight is negative or not finite", "weights are at least 0")
    if not bool((weights > 0).any()):
        raise DataError("all weights are zero", "give at least one image a weight")
    if targets is not None and not (
        targets.ndim == 2 and targets.is_floating_point() and bool(targets.isfinite().all())
    ):
        raise DataError(
            f"the targets are {targets.dtype} of {targets.ndim} dimensions, or not finite",
            "give [n, m] finite floats",
        )
