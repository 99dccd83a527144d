"""Train a teacher on the recipe's own images."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ddoq import keyed
from ddoq.callbacks.finite_guard import FiniteGuard
from ddoq.callbacks.progress import Progress
from ddoq.card import write_card
from ddoq.evaluation.protocols import Protocol
from ddoq.students.feed import Feed
from ddoq.students.student import Student
from ddoq.teachers.trained import make_net, save_teacher

if TYPE_CHECKING:
    from ddoq.run import Run


def train_teacher(
    run: "Run",
    work: Path,
    *,
    student: dict[str, Any] | str = "convnet",
    steps: int = 1000,
    batch_size: int = 64,
    lr: float = 2e-3,
    weight_decay: float = 0.05,
    crop: list[float] | None = [0.5, 1.0],  # noqa: B006 -- read from the source, never changed
    flip: bool = True,
) -> None:
    """Train one of our networks or timm's with hard labels and save it to `work`."""
    start = time.perf_counter()
    images, world = run.images, run.world
    block = {"name": student} if isinstance(student, str) else student
    described = {
        "student": block,
        "class_ids": list(images.class_ids),
        "mean": list(images.mean),
        "std": list(images.std),
        "image_size": images.image_size,
    }
    torch.manual_seed(keyed.seed_of("teacher", run.seed))
    net = make_net(block, described)
    protocol = Protocol(
        id="teacher",
        source="ddoq",
        labels="hard",
        loss="ce",
        steps=steps,
        batch_size=batch_size,
        optimizer="adamw",
        lr=lr,
        weight_decay=weight_decay,
        warmup=0.05,
        crop=crop,
        flip=flip,
    )
    whole = images.whole()
    feed = Feed(whole, protocol, run.seed, images.image_size, world.device, world.rank, world.size)
    module = Student(
        net,
        protocol,
        num_classes=images.num_classes,
        num_steps=steps,
        mean=images.mean,
        std=images.std,
    )
    with run.console.stage(f"teacher: {steps} steps of {batch_size} images", steps) as bar:
        trainer = run.trainer(
            max_epochs=1, callbacks=[FiniteGuard("pretrain teacher"), Progress(bar)]
        )
        trainer.fit(module, feed)
    quality: Mapping[str, float] = {"test/top1": float("nan")}
    if len(images.val):
        val = images.batches("val", rank=world.rank, world_size=world.size)
        [quality] = trainer.test(module, val, verbose=False)
    if world.is_first:
        save_teacher(work, net.cpu(), described)
        write_card(
            work,
            title=f"Teacher: {block['name']}",
            images=images,
            how=f"{steps} steps of {batch_size} images, hard labels, crops of {crop}, flip {flip}",
            seconds=time.perf_counter() - start,
            quality={
                "validation accuracy": float(quality["test/top1"]),
                "parameters": sum(p.numel() for p in net.parameters()),
            },
        )
