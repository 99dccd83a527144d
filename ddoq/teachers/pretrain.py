"""Train a teacher on the recipe's own images."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ddoq import keyed
from ddoq.card import write_card
from ddoq.students.student import Student
from ddoq.teachers.trained import make_net, save_teacher
from ddoq.training import hard_protocol, train_on_images

if TYPE_CHECKING:
    from lightning import Trainer

    from ddoq.data.images import Images
    from ddoq.evaluation.protocols import Protocol
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
    block = {"name": student} if isinstance(student, str) else student
    described = _described(block, run.images)
    torch.manual_seed(keyed.seed_of("teacher", run.recipe.seed))
    protocol = hard_protocol(
        "teacher",
        steps=steps,
        batch_size=batch_size,
        lr=lr,
        weight_decay=weight_decay,
        warmup=0.05,
        crop=crop,
        flip=flip,
    )
    module = _module(described, protocol, steps, run.images)
    trained = train_on_images(run, module, protocol, work)
    accuracy = _accuracy(run, trained.trainer, module)
    if run.world.is_first:
        save_teacher(work, module.net.cpu(), described)
        how = f"{steps} steps of {batch_size} images, hard labels, crops of {crop}, flip {flip}"
        write_card(
            work,
            title=f"Teacher: {block['name']}",
            images=run.images,
            how=how,
            seconds=trained.seconds_before + time.perf_counter() - start,
            quality={"validation accuracy": accuracy, "parameters": _size(module)},
        )


def _described(block: dict[str, Any], images: "Images") -> dict[str, Any]:
    return {
        "student": block,
        "class_ids": list(images.class_ids),
        "mean": list(images.mean),
        "std": list(images.std),
        "image_size": images.image_size,
    }


def _module(
    described: dict[str, Any], protocol: "Protocol", steps: int, images: "Images"
) -> Student:
    return Student(
        make_net(described["student"], described),
        protocol,
        num_classes=images.num_classes,
        num_steps=steps,
        mean=images.mean,
        std=images.std,
    )


def _size(module: Student) -> int:
    return sum(p.numel() for p in module.net.parameters())


def _accuracy(run: "Run", trainer: "Trainer", module: Student) -> float | str:
    if len(run.images.val) == 0:
        return "not measured, there are no validation images"
    val = run.images.batches("val", rank=run.world.rank, world_size=run.world.size)
    [quality] = trainer.test(module, val, verbose=False)
    return float(quality["test/top1"])
