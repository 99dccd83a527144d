"""Train the student on the set, and measure it on every real image."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ddoq import keyed
from ddoq.errors import UsageError
from ddoq.evaluation.measure import Measure, measured
from ddoq.evaluation.training import Training, feed_of, label_of
from ddoq.training.steps import Steps

if TYPE_CHECKING:
    from lightning import Trainer

    from ddoq.evaluation.evaluations import Evaluations
    from ddoq.labels.table import LabelTable
    from ddoq.run import Run
    from ddoq.students.feed import Feed
    from ddoq.students.student import Student


class Train:
    """What protocols do unless they say otherwise."""

    def measure(
        self, run: "Run", training: Training, work: Path | None, labels: "LabelTable | None"
    ) -> Measure:
        """Train the student on the set and measure it on every test (or validation) image.

        A workspace gets the loss of every step, and lets a training that was stopped go on.
        """
        from ddoq.evaluation.evaluations import Evaluations, evaluation_steps
        from ddoq.training.loop import train
        from ddoq.training.losses import write_losses

        protocol = training.protocol
        # The teacher before the seed: building a network draws random numbers.
        label = label_of(run, training) if protocol.labels == "soft" and labels is None else None
        torch.manual_seed(keyed.seed_of("student", training.seed))
        feed = feed_of(run, training, labels)
        student = student_of(run, training, feed, label)
        steps = evaluation_steps(protocol, len(feed))
        evaluations = Evaluations(steps, lambda: measured(run, protocol))
        torch.manual_seed(keyed.seed_of("dropout", training.seed))
        what, batches = f"student {training.student['name']}", Steps(feed.batch, len(feed))
        trained = train(run, student, what, work, evaluations, train_dataloaders=batches)
        if work and run.world.is_first:
            write_losses(work, trained.losses)
        numbers = _tested(run, trained.trainer, student, evaluations)
        return Measure(**numbers, seconds=trained.seconds_before)


def _refuse_targets(run: "Run", training: Training) -> None:
    """Refuse to learn targets that are not one number for each class."""
    targets, num_classes = training.taught.targets, run.images.num_classes
    if targets is not None and targets.shape[1] != num_classes:
        raise UsageError(
            f"the set's targets are {targets.shape[1]} numbers for each image, which a network of "
            f"{num_classes} classes cannot be measured by",
            "use an evaluator that reads them, or a protocol of labels=hard, which leaves them out",
        )


def student_of(
    run: "Run", training: Training, feed: "Feed", label: Callable[[Tensor], Tensor] | None
) -> "Student":
    """Return a new student of a training."""
    from ddoq.students.lessons import preprocessing_of
    from ddoq.students.student import Student

    _refuse_targets(run, training)
    return Student(
        run.make("student", training.student),
        training.protocol,
        num_classes=run.images.num_classes,
        num_steps=len(feed),
        steps_per_epoch=feed.steps_per_epoch,
        preprocessing=preprocessing_of(run, training.protocol),
        name=training.student["name"],
        label=label,
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
