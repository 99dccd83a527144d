"""What does one student learn from one set, under one protocol and seed?"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ddoq import keyed
from ddoq.errors import IntegrityError
from ddoq.evaluation.cell import Cell, cell_key, feed_of, label_of, labels_of
from ddoq.files.artifacts import peak_memory_mb, read_json, write_json, write_tensors
from ddoq.protocols.protocol import Protocol
from ddoq.run.refusals import refuse_set
from ddoq.training.steps import Steps

if TYPE_CHECKING:
    from lightning import Trainer

    from ddoq.evaluation.evaluations import Evaluations
    from ddoq.labels.table import LabelTable
    from ddoq.run import Run
    from ddoq.students.feed import Feed
    from ddoq.students.student import Student


# On a CPU what passes between layers should stay in its caches.
_MEASURED_AT_ONCE = 64


@dataclass(frozen=True)
class Measure:
    """What a training came to, on the real test images."""

    top1: float
    """What counts: that of the last state, of the best, or of the running mean of the weights."""
    top5: float
    loss: float
    ece: float
    """Expected calibration error, in 15 bins of confidence."""
    last_top1: float
    best_top1: float
    """The best of all evaluations on the measured images."""
    of_class: list[float]
    seconds: float
    peak_memory_mb: float
    val_top1: float | None = None
    """That of the last state, or of the running mean, on validation images, where variants are
    chosen by them."""


def measure(run: "Run", cell: Cell) -> Measure:
    """Return a cell's result, from the cache where it is finished.

    Two sets with the same images, labels and weights are one set: they are trained on once.
    """
    refuse_set(run, cell)

    def work(folder: Path) -> None:
        if run.trains_apart:
            raise IntegrityError(
                f"a training is not there: {run.place('cell', cell_key(run, cell))}",
                "run it again; with evaluation.spread=ranks all ranks must share the cache",
            )
        result = train_and_test(run, cell, labels_of(run, cell), folder)
        if run.world.is_first:
            write_json(folder / "measure.json", asdict(result))

    return Measure(**read_json(run.stage("cell", cell_key(run, cell), work) / "measure.json"))


def train_and_test(
    run: "Run", cell: Cell, labels: "LabelTable | None" = None, work: Path | None = None
) -> Measure:
    """Train the student on the set and measure it on every test (or validation) image.

    A workspace gets the loss of every step, and lets a training that was stopped go on.
    """
    from ddoq.evaluation.evaluations import Evaluations, evaluation_steps
    from ddoq.training.loop import train

    start = time.perf_counter()
    protocol = cell.protocol
    refuse_set(run, cell)
    # The teacher before the seed: building a network draws random numbers.
    label = label_of(run, cell) if protocol.labels == "soft" and labels is None else None
    torch.manual_seed(keyed.seed_of("student", cell.seed))
    feed = feed_of(run, cell, labels)
    student = student_of(run, cell, feed, label)
    steps = evaluation_steps(protocol, len(feed))
    evaluations = Evaluations(steps, lambda: measured(run, protocol))
    torch.manual_seed(keyed.seed_of("dropout", cell.seed))
    what, batches = f"student {cell.student['name']}", Steps(feed.batch, len(feed))
    trained = train(run, student, what, work, evaluations, train_dataloaders=batches)
    if work and run.world.is_first:
        write_tensors(work / "losses.safetensors", {"loss": trained.losses})
    return Measure(
        **_tested(run, trained.trainer, student, evaluations),
        seconds=time.perf_counter() - start + trained.seconds_before,
        peak_memory_mb=peak_memory_mb(),
    )


def student_of(
    run: "Run", cell: Cell, feed: "Feed", label: Callable[[Tensor], Tensor] | None
) -> "Student":
    """Return a new student of a cell."""
    from ddoq.students.student import Student

    images = run.images
    return Student(
        run.make("student", cell.student),
        cell.protocol,
        num_classes=images.num_classes,
        num_steps=len(feed),
        steps_per_epoch=feed.steps_per_epoch,
        mean=images.mean,
        std=images.std,
        name=cell.student["name"],
        label=label,
    )


def measured(run: "Run", protocol: Protocol, split: str | None = None) -> Any:
    """Return this rank's part of the real images that students are measured on."""
    world = run.student_world
    return run.images.batches(
        split or run.recipe.evaluation.split,
        rank=world.rank,
        world_size=world.size,
        margin=protocol.test_margin,
        batch_size=_MEASURED_AT_ONCE if world.device.type == "cpu" else None,
    )


def _tested(
    run: "Run", trainer: "Trainer", student: "Student", evaluations: "Evaluations"
) -> dict[str, Any]:
    """Measure the last state, and the one that the protocol reports."""
    from ddoq.evaluation.evaluations import share_buffers

    share_buffers(student)
    test = partial(trainer.test, student, measured(run, student.protocol), verbose=False)
    last = _numbers(test(), student)
    others = {**_chosen_by(run, trainer, student), "last_top1": last["top1"]}
    best = max([*evaluations.accuracies, last["top1"]])
    reported = last
    if student.protocol.reported == "ema":
        student.uses_ema = True
        reported = _numbers(test(), student)
    elif student.protocol.reported == "best" and best > last["top1"]:
        assert evaluations.best is not None
        student.load_state_dict(evaluations.best)
        reported = _numbers(test(), student)
    return {**reported, **others, "best_top1": best}


def _chosen_by(run: "Run", trainer: "Trainer", student: "Student") -> dict[str, float]:
    """Measure the last state on validation images, if a variant is chosen by them.

    Never the best state: the test images have selected that one.
    """
    if not run.recipe.evaluation.choose:
        return {}
    student.uses_ema = student.protocol.reported == "ema"
    val = measured(run, student.protocol, "val")
    found = trainer.test(student, val, verbose=False)
    student.uses_ema = False
    return {"val_top1": _numbers(found, student)["top1"]}


def _numbers(results: Sequence[Mapping[str, float]], student: "Student") -> dict[str, Any]:
    [result] = results
    numbers = {k: float(result[f"test/{k}"]) for k in ("top1", "top5", "loss", "ece")}
    return {**numbers, "of_class": student.measured_of_class}
