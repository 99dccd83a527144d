"""Files of tensors: `.pt`, `.pth`, `.npz`, `.safetensors`. They are read as data, never as code.

The forms that the field saves sets in:

- a dict with images and labels under usual names
- (images, labels), or (images, labels, learning rate), where labels may be soft: DD-Ranking
- {"data": [[images, labels], ...]}: DC, DSA, DM
- a folder of `images_best.pt`, `labels_best.pt` and perhaps `lr.pt`: MTT, FTD, TESLA
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from ddoq.errors import DataError, IntegrityError
from ddoq.files.pickles import read_pickle
from ddoq.files.tensors import read_tensors
from ddoq.formats.about import about
from ddoq.formats.layout import (
    IMAGE,
    IMAGES,
    LABEL,
    LABELS,
    SOFT_LABEL,
    SOFT_LABELS,
    SOFT_LABELS_FILE,
    WEIGHT,
    WEIGHTS,
)
from ddoq.formats.parts import Parts
from ddoq.formats.told import Told
from ddoq.synthetic import SyntheticSet

SUFFIXES = (".pt", ".pth", ".npz", ".safetensors")
# MTT's files, and what its successors call them.
BEST_IMAGES, _BEST_LABELS = "images_best.pt", "labels_best.pt"
_BEST_RATES = ("lr.pt", "lr_best.pt", "syn_lr.pt")
_KEYS = {
    "images": (
        *(IMAGES, IMAGE, "image_syn", "images_syn", "syn_images", "images_train", "train_images"),
        *("x", "xs", "x_syn", "x_train", "imgs", "img", "data", "arr_0"),
    ),
    "labels": (
        *(LABELS, LABEL, "label_syn", "labels_syn", "syn_labels", "labels_train", "train_labels"),
        *("y", "ys", "y_syn", "y_train", "target", "arr_1"),
    ),
    # Plain targets may be numbers of classes, as torchvision calls those.
    "soft_labels": (SOFT_LABELS, SOFT_LABEL, "softlabels", "targets", "probs"),
    "weights": (WEIGHTS, WEIGHT),
    "lr": ("lr", "syn_lr", "learning_rate"),
}
_REMEDY = "save {'images': tensor, 'labels': tensor}, or use names that docs/score.md lists"


def read(path: Path, told: Told) -> SyntheticSet:
    """Read a file of tensors, or MTT's folder of three."""
    if (path / BEST_IMAGES).is_file():
        held: Any = {
            "images": one_tensor(path / BEST_IMAGES),
            "labels": one_tensor(path / _BEST_LABELS),
        }
        rates = [path / name for name in _BEST_RATES if (path / name).is_file()]
        held |= {"lr": opened(rates[0])} if rates else {}
    else:
        held = opened(tensor_files(path)[0] if path.is_dir() else path)
    parts = _parts(_one(held, path, told.entry), path)
    return Parts(**parts, about=about(path if path.is_dir() else path.parent)).whole(path, told)


def tensor_files(folder: Path) -> list[Path]:
    """Return the files of tensors in a folder, but for soft labels that belong to pictures."""
    named = [f for f in folder.iterdir() if f.suffix in SUFFIXES and f.is_file()]
    return [f for f in named if f.name != SOFT_LABELS_FILE]


def opened(file: Path) -> Any:
    """Return what a file holds: tensors in plain containers."""
    if not file.is_file():
        raise DataError(f"{file}: there is no such file", "correct its name")
    try:
        if file.suffix == ".safetensors":
            return read_tensors(file)
        if file.suffix in (".npz", ".npy"):
            return _numpy(file)
        return read_pickle(file)
    except IntegrityError:
        raise
    except Exception as error:  # Safetensors' reader, numpy's and zip's have errors of their own.
        code = "Object arrays" in str(error)
        cause = "it holds more than numbers: a pickle, which may run code" if code else error
        raise IntegrityError(
            f"{file}: it cannot be read: {cause}",
            "save numbers alone: torch.save, numpy.savez or safetensors of tensors",
        ) from error


def _numpy(file: Path) -> Any:
    found: Any = np.load(file, allow_pickle=False)
    if isinstance(found, np.ndarray):
        return torch.from_numpy(found)
    try:
        with found:
            return {name: torch.from_numpy(found[name]) for name in found.files}
    except BadZipFile as error:
        raise ValueError(str(error)) from error


def one_tensor(file: Path) -> Tensor:
    """Return the only tensor of a file."""
    found = opened(file.expanduser())
    values: list[Any] = [*found.values()] if isinstance(found, Mapping) else [found]
    if len(values) == 1 and isinstance(values[0], Tensor | int | float):
        return _tensor(values[0], "numbers", file)
    raise DataError(f"{file}: it does not hold one tensor", "save the tensor alone")


def _one(held: Any, path: Path, entry: int | None) -> Any:
    """Return the set of a file that may hold several, as DC's files do."""
    several = held.get("data") if isinstance(held, Mapping) else None
    if not isinstance(several, Sequence) or isinstance(several, Tensor):
        return held
    if not several:
        raise DataError(f"{path}: it holds no sets, as its 'data' is empty", _REMEDY)
    if entry is None and len(several) != 1:
        raise DataError(
            f"{path}: it holds {len(several)} sets, of experiments that were repeated",
            f"say which one: entry=0, up to entry={len(several) - 1}",
        )
    if entry is not None and not 0 <= entry < len(several):
        raise DataError(f"{path}: entry={entry}", f"it holds {len(several)} sets, from 0 on")
    return several[entry or 0]


def _parts(held: Any, path: Path) -> dict[str, Any]:
    if isinstance(held, Mapping):
        named = _named(held, path)
    elif isinstance(held, Sequence) and 2 <= len(held) <= 3:
        named = dict(zip(("images", "labels", "lr"), held, strict=False))
    else:
        raise DataError(f"{path}: it holds {type(held).__name__}, not images and labels", _REMEDY)
    tensors = {k: _tensor(v, k, path) for k, v in named.items() if v is not None}
    if "images" not in tensors:
        raise DataError(f"{path}: its images are None", _REMEDY)
    return _told_apart(tensors, path)


def _named(held: Mapping[Any, Any], path: Path) -> dict[str, Any]:
    """Return the parts of a mapping by their usual names, in small letters or capitals."""
    own = {str(key).lower(): value for key, value in held.items()}
    found = {part: [n for n in usual if n in own] for part, usual in _KEYS.items()}
    listed = ", ".join(map(str, list(held)[:8]))
    for part in ("images", "labels"):
        if len(found[part]) > 1:
            raise DataError(
                f"{path}: which are its {part}, {' or '.join(found[part])}? It holds {listed}",
                _REMEDY,
            )
    if not found["images"]:
        raise DataError(
            f"{path}: it holds {listed or 'nothing'}, but no images",
            f"{_REMEDY}; images are called {', '.join(_KEYS['images'][:2])} or x, labels "
            f"{', '.join(_KEYS['labels'][:2])} or y",
        )
    named = {part: own[names[0]] for part, names in found.items() if names}
    if "labels" not in named and found["soft_labels"] == ["targets"] and _is_flat(own["targets"]):
        named["labels"] = named.pop("soft_labels")
    return named


def _is_flat(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 1


def _tensor(value: Any, part: str, path: Path) -> Tensor:
    try:
        if isinstance(value, Sequence) and value and isinstance(value[0], Tensor):
            value = torch.stack(list(value))
        found = torch.as_tensor(value, dtype=torch.float64 if isinstance(value, float) else None)
        if found.is_complex() or found.layout != torch.strided:
            raise TypeError(str(found.dtype))
        # Quantized numbers, and those on no device, cannot be converted.
        float(found.flatten()[:1].double().sum())
        return found.detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{path}: its {part} are no tensor of plain numbers", _REMEDY) from error


def _told_apart(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    """Return the parts, where labels of two dimensions are soft labels."""
    parts: dict[str, Any] = dict(tensors)
    labels = parts.get("labels")
    if labels is not None and labels.ndim == 2 and labels.shape[1] > 1:
        parts["soft_labels"] = parts.pop("labels").float()
    if "weights" in parts:
        parts["weights"] = parts["weights"].flatten()
    if "lr" in parts:
        if parts["lr"].numel() != 1:
            raise DataError(
                f"{path}: it holds {parts['lr'].numel()} learning rates", "say which: lr=NUMBER"
            )
        parts["lr"] = float(parts["lr"])
    return parts
