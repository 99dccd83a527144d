"""Is what a user's own data source gives what the program reads?"""

from typing import Any

import torch

from ddoq.data.images import Images, Split
from ddoq.errors import DataError
from ddoq.plugin import blamed, described

_LABELS = "labels must be a one-dimensional tensor of int64, from 0 to the number of classes - 1"


def refuse_source(images: Images, target: str) -> None:
    """Refuse a source whose classes, labels or first images are not as `Source` says."""
    wrong = _wrong_classes(images)
    for name in ("train", "val", "test"):
        wrong = wrong or _wrong_split(getattr(images, name), name, images, target)
    if wrong:
        raise DataError(f"data {target}: {wrong}", "see `Source` in ddoq/data/images.py")


def _wrong_classes(images: Images) -> str | None:
    ids: Any = images.class_ids
    names: Any = images.class_names
    if not all(isinstance(x, tuple) and all(isinstance(n, str) for n in x) for x in (ids, names)):
        return "class_ids and class_names must be tuples of strings"
    if len(ids) != len(names) or len(set(ids)) < len(ids):
        return (
            f"{len(names)} class_names and {len(ids)} class_ids, which must be as many and unique"
        )
    if not len(images.mean) == len(images.std) == images.channels:
        return f"mean {images.mean} and std {images.std} must have one number per channel"
    content: Any = images.fingerprint
    return None if isinstance(content, str) else "fingerprint must be a string"


def _wrong_split(split: Split, name: str, images: Images, target: str) -> str | None:
    labels: Any = split.labels
    if getattr(labels, "dtype", None) != torch.int64 or labels.ndim != 1:
        return f"the {name} split has {described(labels)} for labels; {_LABELS}"
    if not len(labels):
        return None
    if not 0 <= int(labels.min()) <= int(labels.max()) < images.num_classes:
        return f"the {name} split's labels run to {int(labels.max())}; {_LABELS}"
    with blamed(target, split.read):
        pixels: Any = split.read(torch.arange(1), images.image_size)
    shape = (1, images.channels, images.image_size, images.image_size)
    is_right = getattr(pixels, "dtype", None) == torch.uint8 and tuple(pixels.shape) == shape
    return None if is_right else f"read of {name} gave {described(pixels)}, not uint8 of {shape}"
