"""Streams of a store of latents, class by class, for a Lightning Trainer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lightning import LightningDataModule
from torch import Tensor

from ddoq.data.latents import LatentStore, deal


@dataclass(frozen=True)
class ClassLatents:
    """All latents of one class."""

    label: int
    latents: Tensor


class Latents(LightningDataModule):
    """Streams a store by class, for a quantizer."""

    def __init__(
        self,
        store: LatentStore,
        *,
        skip: Sequence[int] = (),
        group: int = 1,
    ) -> None:
        super().__init__()
        # With more ranks than classes some have none, which Lightning would refuse.
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self.store = store
        self._skip = frozenset(skip)
        self._group = group

    def predict_dataloader(self) -> "ByClass":
        """Return this rank's classes, the largest first, in groups of similar size.

        Groups are the same for any number of ranks, and so are the classes solved together.
        """
        trainer = self.trainer
        rank, size = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        counts = self.store.counts
        order = sorted(range(len(counts)), key=lambda c: (-counts[c], c))
        groups = [order[i : i + self._group] for i in range(0, len(order), self._group)]
        dealt = deal([sum(counts[c] for c in group) for group in groups], size)[rank]
        wanted = [groups[g] for g in dealt if not self._skip.issuperset(groups[g])]
        return ByClass(self.store, wanted)

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """Return a class as it is, since it may be larger than the device's memory."""
        if isinstance(batch, list):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)


@dataclass(frozen=True)
class ByClass:
    """Iterate over groups of classes, each class as one slice of the store."""

    store: LatentStore
    groups: list[list[int]]

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[list[ClassLatents]]:
        for group in self.groups:
            yield [ClassLatents(label, self.store.latents(label)) for label in group]
