"""Checks of a user's own data source."""

from typing import Any

import torch

from ddoq.data.source import Source, Split
from ddoq.errors import DataError
from ddoq.recipe.plugin import blamed, described

_LABELS = "labels must be a one-dimensional tensor of int64, from 0 to the number of classes - 1"


def refuse_source(source: Source, target: str) -> None:
    """Refuse a source whose classes, labels or first images differ from what `Source` requires."""
    wrong = _wrong_classes(source)
    for name in ("train", "val", "test"):
        wrong = wrong or _wrong_split(getattr(source, name), name, source, target)
    if wrong:
        raise DataError(f"data {target}: {wrong}", "see `Source` in ddoq/data/source.py")


def _wrong_classes(source: Source) -> str | None:
    ids: Any = source.class_ids
    names: Any = source.class_names
    if not all(isinstance(x, tuple) and all(isinstance(n, str) for n in x) for x in (ids, names)):
        return "class_ids and class_names must be tuples of strings"
    if len(ids) != len(names) or len(set(ids)) < len(ids):
        return (
            f"{len(names)} class_names and {len(ids)} class_ids, which must be as many and unique"
        )
    if not len(source.mean) == len(source.std) == source.channels:
        return f"mean {source.mean} and std {source.std} must have one number per channel"
    content: Any = source.fingerprint
    return None if isinstance(content, str) else "fingerprint must be a string"


def _wrong_split(split: Split, name: str, source: Source, target: str) -> str | None:
    labels: Any = split.labels
    if getattr(labels, "dtype", None) != torch.int64 or labels.ndim != 1:
        return f"the {name} split has {described(labels)} for labels; {_LABELS}"
    if not len(labels):
        return None
    if not 0 <= int(labels.min()) <= int(labels.max()) < len(source.class_ids):
        return f"the {name} split's labels run to {int(labels.max())}; {_LABELS}"
    with blamed(target, split.read):
        pixels: Any = split.read(torch.arange(1), source.image_size)
    shape = (1, source.channels, source.image_size, source.image_size)
    is_right = getattr(pixels, "dtype", None) == torch.uint8 and tuple(pixels.shape) == shape
    return None if is_right else f"read of {name} gave {described(pixels)}, not uint8 of {shape}"
