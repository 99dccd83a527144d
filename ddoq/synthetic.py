"""The artifact: a small weighted set of labeled images, in memory and on disk."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
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
from ddoq.synthetic_checks import OPTIONAL, check

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
        check(self)
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
        extra = {k: getattr(self, k) for k in OPTIONAL if getattr(self, k) is not None}
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
