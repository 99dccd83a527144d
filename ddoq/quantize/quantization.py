"""What comes out of a quantizer: points, their masses, and how well they stand for the data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.artifacts import read_tensors, write_tensors


@dataclass(frozen=True)
class Quantization:
    """Weighted points of all classes, flat, so that classes may have different numbers of them."""

    points: Float[Tensor, "n ..."]
    labels: Int[Tensor, " n"]
    counts: Int[Tensor, " n"]
    """How many latents each point stands for."""
    distortions: Float[Tensor, " classes"]
    """The mean squared distance of each class's latents to their points: W2 squared."""

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
    def masses(self) -> Float[Tensor, " n"]:
        """The share of its class that each point stands for; they sum to 1 in a class."""
        return self.counts.double() / self.class_counts[self.labels]

    @property
    def offsets(self) -> Int[Tensor, " classes_and_one"]:
        """Where each class begins, and the end."""
        sizes = torch.bincount(self.labels, minlength=self.num_classes)
        return torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])

    @property
    def ranks(self) -> Int[Tensor, " n"]:
        """Each point's number k within its class."""
        return torch.arange(len(self.labels)) - self.offsets[self.labels]

    def certificates(self, class_names: tuple[str, ...]) -> list[dict[str, Any]]:
        """Say for every class how well its points stand for its latents."""
        rows: list[dict[str, Any]] = []
        for label, name in enumerate(class_names):
            masses = self.masses[self.labels == label]
            effective = 1 / float(masses.square().sum()) if len(masses) else 0.0
            distortion = float(self.distortions[label])
            rows.append(
                {
                    "class": name,
                    "latents": int(self.class_counts[label]),
                    "points": len(masses),
                    "distortion": distortion,
                    "w2": distortion**0.5,
                    "effective_size": effective,
                    "effective_share": effective / max(1, len(masses)),
                }
            )
        return rows

    def save(self, folder: Path) -> None:
        """Write the quantization into a folder."""
        write_tensors(
            folder / "quantization.safetensors",
            {
                "points": self.points,
                "labels": self.labels,
                "counts": self.counts,
                "masses": self.masses,
                "distortions": self.distortions,
            },
        )

    @classmethod
    def load(cls, folder: Path) -> "Quantization":
        """Read what `save` wrote."""
        t = read_tensors(folder / "quantization.safetensors")
        return cls(t["points"], t["labels"], t["counts"], t["distortions"])
