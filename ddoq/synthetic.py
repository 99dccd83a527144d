"""The artifact: a small weighted set of labeled images, in memory and on disk."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.artifacts import publish, read_json, read_tensors, verify, write_json, write_tensors
from ddoq.errors import DataError

_OPTIONAL = ("targets", "latents")


@dataclass(frozen=True)
class SyntheticSet:
    """Images with labels and weights, and where they come from.

    >>> import torch
    >>> images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    >>> s = SyntheticSet(images, torch.tensor([0, 1]), torch.ones(2), ("cat", "dog"), ("c", "d"))
    >>> len(s), s.num_classes, s.images_per_class
    (2, 2, 1)
    """

    images: Tensor
    """uint8 `[n, c, h, w]`, or float in [0, 1]."""
    labels: Int[Tensor, " n"]
    weights: Float[Tensor, " n"]
    class_names: tuple[str, ...]
    class_ids: tuple[str, ...]
    targets: Tensor | None = None
    """Soft labels or other real targets `[n, m]`."""
    latents: Tensor | None = None
    columns: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    """One value per image: its point, its stage, ..."""
    hints: dict[str, Any] = field(default_factory=dict[str, Any])
    """Settings that only a protocol which says so may read."""
    provenance: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        n, num_classes = len(self.images), len(self.class_ids)
        lengths = {"labels": len(self.labels), "weights": len(self.weights)}
        lengths |= {k: len(v) for k, v in self.columns.items()}
        lengths |= {k: len(getattr(self, k)) for k in _OPTIONAL if getattr(self, k) is not None}
        wrong = [f"{k} has {v}" for k, v in lengths.items() if v != n]
        if wrong:
            raise DataError(f"{n} images, but {', '.join(wrong)}", "give one value per image")
        if n and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < num_classes:
            raise DataError(
                f"labels run from {int(self.labels.min())} to {int(self.labels.max())}",
                f"with {num_classes} classes they lie in 0 to {num_classes - 1}",
            )
        if not bool(self.weights.isfinite().all()) or bool((self.weights < 0).any()):
            raise DataError("a weight is negative or not finite", "weights are at least 0")
        if n and not bool((self.weights > 0).any()):
            raise DataError("all weights are zero", "give at least one image a weight")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_ids)

    @property
    def images_per_class(self) -> int:
        """The largest number of images that a class has; the mean, where a budget was spread."""
        budget = self.provenance.get("budget")
        if budget is not None:
            return -(-budget // self.num_classes)
        return int(torch.bincount(self.labels, minlength=1).max())

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what a student sees: images, labels, weights and targets."""
        return _hash(self.images, self.labels, self.weights.double(), self.targets)

    @cached_property
    def content(self) -> str:
        """A hash of the images and labels alone."""
        return _hash(self.images, self.labels)

    def with_weights(self, weights: Float[Tensor, " n"]) -> "SyntheticSet":
        """Return the same images with other weights."""
        return replace(self, weights=weights)

    def for_classes(self, class_ids: tuple[str, ...]) -> "SyntheticSet":
        """Return the set with its labels counted in another order of the same classes."""
        if class_ids == self.class_ids:
            return self
        if sorted(class_ids) != sorted(self.class_ids):
            other = sorted(set(class_ids) ^ set(self.class_ids))
            raise DataError(
                f"the set's classes are not those of the images: {', '.join(other[:5])}",
                "evaluate a set on images of the same class ids",
            )
        order = [self.class_ids.index(c) for c in class_ids]
        place = torch.tensor([class_ids.index(c) for c in self.class_ids])
        names = tuple(self.class_names[i] for i in order)
        return replace(self, labels=place[self.labels], class_ids=class_ids, class_names=names)

    def save(self, folder: Path | str) -> None:
        """Write the set so that the folder is complete or absent, with checksums."""
        publish(Path(folder), "synthetic set", self._write)

    def _write(self, work: Path) -> None:
        tensors = {"images": self.images, "labels": self.labels, "weights": self.weights}
        extra = {k: getattr(self, k) for k in _OPTIONAL if getattr(self, k) is not None}
        write_tensors(work / "set.safetensors", tensors | extra)
        described = {
            "class_names": list(self.class_names),
            "class_ids": list(self.class_ids),
            "columns": self.columns,
            "hints": self.hints,
            "provenance": self.provenance,
        }
        write_json(work / "set.json", described)

    @classmethod
    def load(cls, folder: Path | str) -> "SyntheticSet":
        """Read a saved set, refusing one that is damaged."""
        folder = Path(folder)
        if not (folder / "set.json").is_file():
            raise DataError(f"{folder} holds no synthetic set", "give a folder that `save` wrote")
        verify(folder)
        described = read_json(folder / "set.json")
        for key in ("class_names", "class_ids"):
            described[key] = tuple(described[key])
        return cls(**read_tensors(folder / "set.safetensors"), **described)


def _hash(*tensors: Tensor | None) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        if tensor is not None:
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            if tensor.numel():
                digest.update(tensor.contiguous().numpy().data.cast("B"))
    return digest.hexdigest()[:20]


def describe(synthetic: SyntheticSet) -> str:
    """Return one line about a set."""
    shape = "x".join(map(str, synthetic.images.shape[1:]))
    method = json.dumps(synthetic.provenance.get("distiller", "unknown"))
    return f"{len(synthetic)} images {shape}, {synthetic.num_classes} classes, by {method}"
