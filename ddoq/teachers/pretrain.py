"""Training of a teacher on the recipe's own images."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from ddoq import keyed
from ddoq.files.card import write_card
from ddoq.students.lessons import feed_of, hard_protocol, train_on_images
from ddoq.students.student import Student
from ddoq.teachers.trained import make_net, save_teacher
from ddoq.training.pace import seconds_of_step

if TYPE_CHECKING:
    from lightning import Trainer

    from ddoq.data.images import Images
    from ddoq.protocols.protocol import Protocol
    from ddoq.run import Run


@dataclass(frozen=True, kw_only=True)
class TeacherPretraining:
    """How a network of ours or timm's is trained with hard labels and saved as a teacher."""

    student: dict[str, Any] | str = "convnet"
    steps: int = 1000
    batch_size: int = 64
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float = 2e-3
    weight_decay: float = 0.05
    crop: tuple[float, float] | None = (0.5, 1.0)
    flip: bool = True
    dtype: Literal["float32", "bfloat16"] = "float32"
    """The precision of computations in training. Weights are in single precision."""

    def train(self, run: "Run", work: Path) -> None:
        """Train, and leave the teacher and its card in `work`."""
        start = time.perf_counter()
        described, protocol, module = self._begin(run)
        precision = {} if self.dtype == "float32" else {"precision": "bf16-mixed"}
        trained = train_on_images(run, module, protocol, work, **precision)
        accuracy = _accuracy(run, trained.trainer, module)
        if run.world.is_first:
            save_teacher(work, module.net.cpu(), described)
            write_card(
                work,
                title=f"Teacher: {described['student']['name']}",
                images=run.images,
                how=f"{self.steps} steps of {self.batch_size} images, {self.optimizer}, "
                f"hard labels, crops of {self.crop}, flip {self.flip}, computed in {self.dtype}",
                seconds=trained.seconds_before + time.perf_counter() - start,
                quality={"validation accuracy": accuracy, "parameters": _size(module)},
            )

    def seconds(self, run: "Run") -> float:
        """Return about how long the training takes, from a few steps."""
        _, protocol, module = self._begin(run)
        module.to(run.world.device)
        batch = feed_of(run, run.images.whole(), protocol, run.recipe.seed).batch(0)
        optimizer = module.configure_optimizers()["optimizer"]
        return self.steps * seconds_of_step(lambda: module.loss(batch), optimizer, self.dtype)

    def _begin(self, run: "Run") -> tuple[dict[str, Any], "Protocol", Student]:
        """Return what the teacher says of itself, how it is trained, and the new network."""
        block = {"name": self.student} if isinstance(self.student, str) else self.student
        described = _described(block, run.images)
        torch.manual_seed(keyed.seed_of("teacher", run.recipe.seed))
        protocol = hard_protocol(
            "teacher",
            steps=self.steps,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            lr=self.lr,
            weight_decay=self.weight_decay,
            warmup=0.05,
            crop=list(self.crop) if self.crop else None,
            flip=self.flip,
        )
        return described, protocol, _module(described, protocol, self.steps, run.images)


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
        preprocessing=images.preprocessing,
    )


def _size(module: Student) -> int:
    return sum(p.numel() for p in module.net.parameters())


def _accuracy(run: "Run", trainer: "Trainer", module: Student) -> float | str:
    if len(run.images.val) == 0:
        return "not measured, there are no validation images"
    val = run.images.batches("val", rank=run.world.rank, world_size=run.world.size)
    [quality] = trainer.test(module, val, verbose=False)
    return float(quality["test/top1"])
