"""What does one student learn from one set, under one protocol and seed?"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ddoq import keyed
from ddoq.artifacts import peak_memory_mb, read_json, write_json
from ddoq.callbacks.finite_guard import FiniteGuard
from ddoq.component import Block
from ddoq.errors import UsageError
from ddoq.evaluation.protocols import Protocol
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


@dataclass(frozen=True)
class Cell:
    """One training of a grid."""

    synthetic: SyntheticSet
    student: Block
    protocol: Protocol
    seed: int


@dataclass(frozen=True)
class Measure:
    """What a training came to, on the real test images."""

    top1: float
    top5: float
    loss: float
    seconds: float
    peak_memory_mb: float


def cell_key(run: "Run", cell: Cell) -> dict[str, Any]:
    """Return what determines a training's result."""
    return {
        "set": cell.synthetic.fingerprint,
        "images": run.images.fingerprint,
        "student": run.key("student", cell.student),
        "protocol": {k: v for k, v in asdict(cell.protocol).items() if k not in ("id", "source")},
        "teacher": run.key("teacher") if cell.protocol.labels == "soft" else None,
        "seed": cell.seed,
        "split": run.recipe.evaluation.split,
        "training": run.training_key,
    }


def measure(run: "Run", cell: Cell) -> Measure:
    """Return a cell's result, from the cache where it is finished.

    Two sets with the same images, labels and weights are one set: they are trained on once.
    """

    def work(folder: Path) -> None:
        result = train_and_test(run, cell)
        if run.world.is_first:
            write_json(folder / "measure.json", asdict(result))

    return Measure(**read_json(run.stage("cell", cell_key(run, cell), work) / "measure.json"))


def train_and_test(run: "Run", cell: Cell) -> Measure:
    """Train the student on the set and measure it once on every test (or validation) image."""
    from ddoq.students.feed import Feed
    from ddoq.students.student import Student

    start = time.perf_counter()
    images, protocol, world = run.images, cell.protocol, run.world
    refuse_other_size(run, protocol)
    # The teacher before the seed: building a network draws random numbers.
    label = run.teacher.forward if protocol.labels == "soft" else None
    torch.manual_seed(keyed.seed_of("student", cell.seed))
    feed = Feed(
        cell.synthetic,
        protocol,
        cell.seed,
        images.image_size,
        world.device,
        world.rank,
        world.size,
    )
    student = Student(
        run.make("student", cell.student),
        protocol,
        num_classes=images.num_classes,
        num_steps=len(feed),
        mean=images.mean,
        std=images.std,
        name=cell.student["name"],
        label=label,
    )
    guard = FiniteGuard(f"student {cell.student['name']}")
    trainer = run.trainer(max_epochs=1, callbacks=[guard])
    torch.manual_seed(keyed.seed_of("dropout", cell.seed))
    trainer.fit(student, feed)
    split = run.recipe.evaluation.split
    test = images.batches(split, rank=world.rank, world_size=world.size)
    [result] = trainer.test(student, test, verbose=False)
    numbers = {k: float(result[f"test/{k}"]) for k in ("top1", "top5", "loss")}
    seconds = time.perf_counter() - start
    return Measure(**numbers, seconds=seconds, peak_memory_mb=peak_memory_mb())


def refuse_other_size(run: "Run", protocol: Protocol) -> None:
    """Refuse a protocol that trains at another size than the images have."""
    if protocol.image_size not in (None, run.images.image_size):
        raise UsageError(
            f"protocol {protocol.id} trains at {protocol.image_size} pixels, "
            f"the images have {run.images.image_size}",
            f"set data.image_size={protocol.image_size}",
        )
