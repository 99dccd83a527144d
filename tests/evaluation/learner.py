"""A user's distiller that learns its images by 50 gradient steps, as long as a set may take."""

import os
import time
from pathlib import Path

import torch
from lightning import LightningModule
from lightning.fabric.utilities.rank_zero import rank_zero_only

from ddoq import keyed
from ddoq.files.stage import Planned, Stage
from ddoq.files.tensors import read_tensors, write_tensors
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet
from ddoq.training.loop import train
from ddoq.training.pace import seconds_of_step
from ddoq.training.steps import Steps


class Matching(LightningModule):
    """Move images to the means of random projections of their class."""

    def __init__(self, images, labels, real, of_class, seed, pause):
        super().__init__()
        self.images = torch.nn.Parameter(images)
        self.labels, self.real, self.of_class = labels, real, of_class
        self.seed, self.pause = seed, pause

    def loss(self, step):
        time.sleep(self.pause)
        draw = keyed.normal(keyed.seed_of("projections", self.seed), torch.tensor([step]), (64, 16))
        loss = torch.zeros(())
        for c in range(10):
            ours = self.images[self.labels == c].flatten(1) @ draw[0]
            theirs = self.real[self.of_class == c].flatten(1) @ draw[0]
            loss = loss + (ours.mean(0) - theirs.mean(0)).square().mean()
        return loss

    def training_step(self, batch, batch_idx):
        return self.loss(batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.5)


class Slow:
    """Learn images. `fails` and `forgets` are mistakes that a user may make."""

    learns = True

    def __init__(
        self,
        *,
        images_per_class: int = 1,
        pause: float = 0.0,
        fails: bool = False,
        forgets: bool = False,
    ):
        self.size, self.pause = Size(images_per_class), pause
        self.fails, self.forgets = fails, forgets

    def stages(self, run, seed):
        key = {"images": run.images.fingerprint, "size": self.size.key, "seed": seed}
        return [Planned(Stage("slow"), key)]

    def seconds(self, run):
        shape = run.images.channels, run.images.image_size, run.images.image_size
        real = torch.randn(len(run.images.train), *shape)
        own = torch.arange(10)
        module = Matching(torch.randn(10, *shape), own, real, run.images.train.labels, 0, 0.0)
        optimizer = module.configure_optimizers()
        return 50 * (self.pause + seconds_of_step(lambda: module.loss(0), optimizer))

    def distill(self, images, run, seed):
        [own] = self.stages(run, seed)
        if self.forgets:
            return images.subset(torch.stack([images.train.of_class(c)[0] for c in range(10)]))
        work = run.stage(own.stage, own.key, lambda work: self.learn(images, run, seed, work))
        labels = torch.arange(10).repeat_interleave(self.size.mean(10))
        learned = read_tensors(work / "images.safetensors")["images"]
        weights = torch.ones(len(labels))
        ids = images.class_names, images.class_ids
        about = {"distiller": "slow", **self.size.key}
        return SyntheticSet(learned, labels, weights, *ids, provenance=about, space="image")

    def learn(self, images, run, seed, work: Path):
        alone = run.world.size == 1 and "WORLD_SIZE" not in os.environ and rank_zero_only.rank == 0
        os.write(1, f"\nlearning {seed} {alone} {os.getppid()}\n".encode())
        if self.fails:
            raise ValueError("no gradient today")
        labels = torch.arange(10).repeat_interleave(self.size.mean(10))
        start = keyed.uniform(keyed.seed_of("start", seed), torch.arange(len(labels)), 64)
        real = images.pixels("train") / 255
        begun = start.reshape(-1, 1, 8, 8)
        module = Matching(begun, labels, real, images.train.labels, seed, self.pause)
        trained = train(run, module, "slow", work, train_dataloaders=Steps(int, 50))
        assert len(trained.losses) == 50
        write_tensors(work / "images.safetensors", {"images": module.images.detach()})
