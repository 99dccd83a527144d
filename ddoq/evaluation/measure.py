"""The measurement of one training: one set, one student, one protocol, one seed."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from jaxtyping import Float, Int
from torch import Tensor

from ddoq.errors import IntegrityError
from ddoq.evaluation.training import TRAINING, Training, labels_of, training_key
from ddoq.files.artifacts import read_json, write_json
from ddoq.processes.memory import peak_mb, reset_peak
from ddoq.recipe.plugin import expect
from ddoq.run.refusals import refuse_set

if TYPE_CHECKING:
    from ddoq.data.preprocessing import ZCA
    from ddoq.labels.table import LabelTable
    from ddoq.protocols import protocol as protocols
    from ddoq.run import Run

# On a CPU, the activations between layers should fit in its caches.
_MEASURED_AT_ONCE = 64


@dataclass(frozen=True)
class Measure:
    """The result of a training on the real test images."""

    top1: float
    """The reported accuracy: of the last state, the best state, or the running mean of weights."""
    top5: float
    loss: float
    ece: float
    """Expected calibration error, in 15 bins of confidence."""
    last_top1: float
    best_top1: float
    """The best of all evaluations on the measured images."""
    of_class: list[float]
    seconds: float = 0.0
    """The time of the training, its soft labels and the measurements, as if nothing were shared.
    An evaluator states the time of earlier calls that were interrupted."""
    peak_memory_mb: float = 0.0
    """Peak memory: of the GPU, or of the process on a CPU."""
    val_top1: float | None = None
    """The accuracy on validation images, if variants are chosen by them.
    It is that of the last state or of the running mean."""

    @classmethod
    def of(cls, logits: Float[Tensor, "n classes"], labels: Int[Tensor, " n"]) -> "Measure":
        """Return the measure of a network, or of anything, that answers images with numbers."""
        from torchmetrics.functional.classification import (
            multiclass_accuracy,
            multiclass_calibration_error,
        )

        from ddoq.students.losses import hard_losses

        num_classes = logits.shape[1]

        def accuracy(average: Any, k: int = 1) -> Tensor:
            return multiclass_accuracy(logits, labels, num_classes, average, top_k=k)

        top1 = float(accuracy("micro"))
        return cls(
            top1=top1,
            top5=float(accuracy("micro", min(5, num_classes))),
            loss=float(hard_losses(logits, labels).mean()),
            ece=float(multiclass_calibration_error(logits.softmax(1), labels, num_classes)),
            last_top1=top1,
            best_top1=top1,
            of_class=accuracy("none").tolist(),
        )


class Evaluator(Protocol):
    """An evaluator turns a set into numbers. It is any class with this method.

    The workspace `work` keeps what an interrupted call need not do again. `labels` are the
    teacher's, if the protocol uses soft labels and they are stored.
    """

    def measure(
        self, run: "Run", training: Training, work: Path | None, labels: "LabelTable | None"
    ) -> Measure:
        """Return the measure of a training. It is the same on every rank."""
        ...


def measure(run: "Run", training: Training) -> Measure:
    """Return a training's result. If it is finished, it is read from the cache.

    Sets with the same images, labels and weights share a stage and are trained on once.
    """
    refuse_set(run, training)

    def work(folder: Path) -> None:
        if run.trains_apart:
            raise IntegrityError(
                f"a training is not cached: {run.place(TRAINING, training_key(run, training))}",
                "run it again; with evaluation.spread=ranks all ranks must share the cache",
            )
        result = evaluated(run, training, labels_of(run, training), folder)
        if run.world.is_first:
            write_json(folder / "measure.json", asdict(result))

    return Measure(
        **read_json(run.stage(TRAINING, training_key(run, training), work) / "measure.json")
    )


def evaluated(
    run: "Run", training: Training, labels: "LabelTable | None" = None, work: Path | None = None
) -> Measure:
    """Return the measure by the protocol's evaluator, without the cache."""
    refuse_set(run, training)
    start = time.perf_counter()
    reset_peak(run.world.device)
    evaluator: Evaluator = run.make("evaluator", training.protocol.evaluator)
    found = evaluator.measure(run, training, work, labels)
    is_right = isinstance(found, Measure)  # pyright: ignore[reportUnnecessaryIsInstance] # a user's
    expect(is_right, evaluator.measure, "measure", "a Measure (ddoq/evaluation/measure.py)", found)
    # A teacher that labels at each step is timed as part of the training.
    before = found.seconds + (labels.seconds if labels else 0.0)
    seconds = before + time.perf_counter() - start
    return replace(found, seconds=seconds, peak_memory_mb=peak_mb(run.world.device))


@dataclass(frozen=True)
class Whitened:
    """Batches of real images, whitened, on the device of the whitening's numbers."""

    batches: Any
    whitening: "ZCA"

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        device = self.whitening.mean.device
        for images, labels in self.batches:
            yield self.whitening.forward(images.to(device)), labels


def measured(run: "Run", protocol: "protocols.Protocol", split: str | None = None) -> Any:
    """Return this rank's part of the real images that students are measured on."""
    world = run.student_world
    batches = run.images.batches(
        split or run.recipe.evaluation.split,
        rank=world.rank,
        world_size=world.size,
        margin=protocol.test_margin,
        batch_size=_MEASURED_AT_ONCE if world.device.type == "cpu" else None,
    )
    return Whitened(batches, run.whitening) if protocol.whiten == "zca" else batches
