"""The contract of a data source: splits of labeled images, and the classes that they are of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from ddoq import keyed
from ddoq.errors import UsageError


@dataclass(frozen=True)
class Split:
    """Labeled images that are read on demand, by index and at a size."""

    labels: Int[Tensor, " n"]
    read: Callable[[Int[Tensor, " m"], int], UInt8[Tensor, "m channels size size"]]
    names: Callable[[int], str] = str
    """The name of an image in messages: its file, if it has one."""
    is_held: bool = False
    """Whether the images are in memory anyway, so that keeping them on disk gains nothing."""

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: Int[Tensor, " m"]) -> "Split":
        """Return the part of this split at some indices."""
        return Split(
            self.labels[indices],
            lambda i, size: self.read(indices[i], size),
            lambda i: self.names(int(indices[i])),
            self.is_held,
        )

    def of_class(self, label: int) -> Int[Tensor, " m"]:
        """Return the indices of a class, in order."""
        return torch.nonzero(self.labels == label).flatten()


def carve(
    labels: Int[Tensor, " n"], share: float, *, seed: int, what: str
) -> tuple[Tensor, Tensor]:
    """Split indices into (kept, carved), a share of every class, by seed.

    A class of one image stays in the kept part, as training on it matters more than validating.
    """
    if not 0 <= share < 1:
        raise UsageError(f"{what}_share={share}", "it is at least 0 and less than 1")
    carved: list[Tensor] = []
    for label in labels.unique().tolist():
        of_class = torch.nonzero(labels == label).flatten()
        order = keyed.permutation(len(of_class), "carve", what, seed, label)
        carved.append(of_class[order[: min(round(share * len(order)), len(order) - 1)]])
    taken = torch.cat(carved).sort().values
    is_kept = torch.ones(len(labels), dtype=torch.bool)
    is_kept[taken] = False
    return torch.nonzero(is_kept).flatten(), taken


@runtime_checkable
class Source(Protocol):
    """What a data component provides. Any Python class with these attributes is a source.

    Each image class has training and test images. It may lack validation images. Data that are
    stored like images but are none say so by `modality`, for example "graph" for adjacency
    matrices. They are not augmented, resized or shown.
    """

    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...]
    class_ids: tuple[str, ...]
    """Stable ids, such as WordNet's, by which teachers and priors identify a class."""
    channels: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
