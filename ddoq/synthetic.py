"""The artifact: a small weighted set of labeled images, in memory and on disk."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ddoq.display.notebook import gallery
from ddoq.errors import DataError
from ddoq.files.artifacts import read_json, verify, write_json
from ddoq.files.outputs import publish
from ddoq.files.tensors import read_tensors, write_tensors
from ddoq.protocols.hints import refuse_hints
from ddoq.protocols.tiles import unfolded
from ddoq.size import Size

_OPTIONAL = ("targets", "latents")
# The classes, and the images of each, that a notebook shows.
_SHOWN_CLASSES, _SHOWN = 10, 12


@dataclass(frozen=True, eq=False, repr=False)
class SyntheticSet:
    """Images with labels and weights, and their provenance.

    >>> import torch
    >>> images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    >>> s = SyntheticSet(images, torch.tensor([0, 1]), torch.ones(2), ("cat", "dog"), ("c", "d"))
    >>> len(s), s.num_classes, s.images_per_class
    (2, 2, 1)
    """

    images: Tensor
    """uint8 `[n, channels, side, side]`, or float32 in [0, 1]."""
    labels: Tensor
    """int64 `[n]`: indices into `class_ids`."""
    weights: Tensor
    """Floats `[n]`, at least 0."""
    class_names: tuple[str, ...]
    class_ids: tuple[str, ...]
    targets: Tensor | None = None
    """Soft labels with a column for each class, or other real targets `[n, m]`."""
    latents: Tensor | None = None
    columns: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    """One value per image: its point, its stage, ..."""
    hints: dict[str, Any] = field(default_factory=dict[str, Any])
    """Settings learned with the images, for protocols that use them (protocols/hints.py)."""
    provenance: dict[str, Any] = field(default_factory=dict[str, Any])
    space: str | None = None
    """`image`: 0 is black and 1 is white in float images, which may then leave [0, 1]."""

    def __post_init__(self) -> None:
        _check_lengths(self)
        _check_images(self.images, self.space)
        _check_classes(self)
        _check_weights(self.weights, self.targets)
        refuse_hints(self.hints)

    def __len__(self) -> int:
        return len(self.images)

    def __eq__(self, other: object) -> bool:
        """Compare what a student sees: images, labels, weights, targets and classes."""
        if not isinstance(other, SyntheticSet):
            return NotImplemented
        same = self.class_ids == other.class_ids and self.hints == other.hints
        return same and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"<SyntheticSet of {describe(self)}>"

    def _repr_html_(self) -> str:
        shown = range(min(self.num_classes, _SHOWN_CLASSES))
        rows = [(self.class_names[c], self.images[self.labels == c][:_SHOWN]) for c in shown]
        return gallery([(name, list(images)) for name, images in rows], describe(self))

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_ids)

    @property
    def images_per_class(self) -> int:
        """The number of images of the largest class; the mean, if a budget was spread."""
        size = Size.of(self.provenance)
        if size.is_budget:
            return size.mean(self.num_classes)
        return int(torch.bincount(self.labels, minlength=1).max())

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what a student sees: images, labels, weights and targets."""
        return _hash(self.images, self.labels, self.weights.double(), self.targets)

    @cached_property
    def content(self) -> str:
        """A hash of the images and labels alone."""
        return _hash(self.images, self.labels)

    def for_classes(self, class_ids: tuple[str, ...]) -> "SyntheticSet":
        """Return the set with another order of the same classes."""
        if class_ids == self.class_ids:
            return self
        if sorted(class_ids) != sorted(self.class_ids):
            other = sorted(set(class_ids) ^ set(self.class_ids))
            raise DataError(
                f"the set's classes are not those of the images: {', '.join(other[:5])}",
                "evaluate a set on images of the same class ids",
            )
        order = [self.class_ids.index(c) for c in class_ids]
        targets = self.targets
        if targets is not None and targets.shape[1] == self.num_classes:
            targets = targets[:, order]
        place = torch.tensor([class_ids.index(c) for c in self.class_ids])
        names = tuple(self.class_names[i] for i in order)
        return replace(
            self,
            labels=place[self.labels],
            targets=targets,
            class_ids=class_ids,
            class_names=names,
        )

    def unfolded(self, tiles: int) -> "SyntheticSet":
        """Cut each image into columns and rows, and enlarge every tile to the image's size.

        A tile has the label, weight and targets of its image. Weights are not divided, as this
        would change a gradient's size.
        """
        each = torch.arange(len(self)).repeat_interleave(tiles**2)
        return replace(
            self,
            images=unfolded(self.images, tiles),
            labels=self.labels[each],
            weights=self.weights[each],
            targets=None if self.targets is None else self.targets[each],
            latents=None,
            columns={k: [v[i] for i in each.tolist()] for k, v in self.columns.items()},
            hints={k: v for k, v in self.hints.items() if k != "tiles"},
            space="image",
        )

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
            "space": self.space,
        }
        write_json(work / "set.json", described)

    @classmethod
    def load(cls, folder: Path | str) -> "SyntheticSet":
        """Read a saved set. A damaged one is refused."""
        folder = Path(folder)
        if not (folder / "set.json").is_file():
            raise DataError(f"{folder} holds no synthetic set", "give a folder that `save` wrote")
        verify(folder)
        described = read_json(folder / "set.json")
        for key in ("class_names", "class_ids"):
            described[key] = tuple(described[key])
        return cls(**read_tensors(folder / "set.safetensors"), **described)


def _check_lengths(s: SyntheticSet) -> None:
    lengths = {"labels": len(s.labels), "weights": len(s.weights)}
    lengths |= {k: len(v) for k, v in s.columns.items()}
    lengths |= {k: len(getattr(s, k)) for k in _OPTIONAL if getattr(s, k) is not None}
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


def _check_classes(s: SyntheticSet) -> None:
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
