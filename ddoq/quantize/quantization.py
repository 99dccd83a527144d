"""The result of a quantizer: points, their masses and their distortion."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.files.tensors import join_tensors, read_tensors, write_tensors


@dataclass(frozen=True)
class Quantization:
    """The weighted points of all classes in one row, as classes may have different numbers."""

    points: Float[Tensor, "n ..."]
    labels: Int[Tensor, " n"]
    counts: Int[Tensor, " n"]
    """The number of latents that each point stands for."""
    masses: Float[Tensor, " n"]
    """The share of its class that each point stands for. They sum to 1 within a class."""
    distortions: Float[Tensor, " classes"]
    """The mean squared distance of each class's latents to their points: W2 squared."""
    requested: Int[Tensor, " classes"]
    """The number of points asked for in each class. Points with an empty cell are left out."""

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.distortions)

    @property
    def class_counts(self) -> Int[Tensor, " classes"]:
        """The number of latents of each class."""
        totals = torch.zeros(self.num_classes, dtype=torch.int64)
        return totals.index_add(0, self.labels, self.counts)

    @property
    def offsets(self) -> Int[Tensor, " classes_and_one"]:
        """The row where each class begins, and the number of rows."""
        sizes = torch.bincount(self.labels, minlength=self.num_classes)
        return torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])

    @property
    def ranks(self) -> Int[Tensor, " n"]:
        """Each point's number k within its class."""
        return torch.arange(len(self.labels)) - self.offsets[self.labels]

    def save(self, folder: Path) -> None:
        """Write the quantization into a folder."""
        write_tensors(folder / _FILE, {name: getattr(self, name) for name in _NAMES})

    @classmethod
    def load(cls, folder: Path) -> "Quantization":
        """Read what `save` or `join` wrote; the points are mapped from the disk."""
        return cls(**read_tensors(folder / _FILE))

    @staticmethod
    def join(parts: Sequence[Path], folder: Path) -> None:
        """Join the results of all classes in order, with one class in memory at a time."""
        join_tensors(folder / _FILE, parts, _NAMES)


_FILE = "quantization.safetensors"
_NAMES = tuple(field.name for field in fields(Quantization))
