"""Loaders of the images for a user's own Lightning Trainer."""

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from ddoq.data.batches import Batches
from ddoq.data.conversion import as_floats
from ddoq.data.images import Images


class Loaders(LightningDataModule):
    """Shuffled training images, and each rank's part of the others, without padding or repeats."""

    def __init__(self, images: Images) -> None:
        super().__init__()
        self.images = images

    def train_dataloader(self) -> "DataLoader[tuple[Tensor, Tensor]]":
        """Return shuffled training batches."""
        images = self.images

        def collate(indices: list[int]) -> tuple[Tensor, Tensor]:
            chosen = torch.tensor(indices)
            return as_floats(images.some("train", chosen)), images.train.labels[chosen]

        return DataLoader(
            range(len(images.train)),  # type: ignore[arg-type] # a range is a dataset
            batch_size=images.batch_size,
            shuffle=True,
            collate_fn=collate,
        )

    def val_dataloader(self) -> Batches:
        """Return this rank's part of the validation images."""
        return self._of_rank("val")

    def test_dataloader(self) -> Batches:
        """Return this rank's part of the test images."""
        return self._of_rank("test")

    def _of_rank(self, name: str) -> Batches:
        t = self.trainer
        if t is None:
            return self.images.batches(name)
        return self.images.batches(name, rank=t.global_rank, world_size=t.world_size)
