"""About how long a run will take, said before anything is trained: a few steps of each kind."""

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from ddoq.display.duration import duration
from ddoq.evaluation.forecast import seconds_of
from ddoq.evaluation.grid import Grid
from ddoq.evaluation.training import Training
from ddoq.evaluation.workers import num_worth
from ddoq.run.pretraining import pretrainer
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.data.images import Images
    from ddoq.run import Run


def outlook(run: "Run", parts: list[str]) -> str:
    """Return one line about the time of these weights, and of the trainings after them."""
    how = {part: pretrainer(part, run.recipe.pretrain[part]) for part in parts}
    weights = {part: one.seconds(run) for part, one in how.items()}
    trainings, number, _ = _trainings(run)
    each = ", ".join(f"{part} {duration(seconds)}" for part, seconds in weights.items())
    return (
        f"about {duration(sum(weights.values()) + trainings)} in all: {each}, {number} trainings "
        f"{duration(trainings)}; encoding and decoding are not counted{_sets(run)}"
    )


def time_of_trainings(run: "Run") -> str:
    """Return one line about the time of all trainings, for which no image is decoded."""
    seconds, number, workers = _trainings(run)
    several = f" in {workers} processes" if workers > 1 else ""
    start = "; processes take some seconds to start" if workers > 1 else ""
    return f"about {duration(seconds)} for {number} trainings{several}, if none is cached{start}"


def _sets(run: "Run") -> str:
    """Say how many sets are learned: their time can be told once the weights are there."""
    grid = Grid.of(run)
    number = sum(grid.rows[draw.row].made.learns for draw in grid.draws)
    return f", nor are {number} sets to be learned" if number else ""


def _trainings(run: "Run") -> tuple[float, int, int]:
    """Return the seconds and the number of all trainings, and how many processes share them.

    They are timed on black images in place of the sets. The teacher may not be there yet, so all
    labels are hard.
    """
    grid = Grid.of(run)
    kinds = Counter(grid.kind_of(job) for job in range(len(grid)))
    total = 0.0
    for (table, student, size), number in kinds.items():
        # A whitening may not be there either, and takes no time of a step.
        protocol = replace(grid.tables[table].protocol.with_hard_labels(), whiten="none")
        blank = _blank(run.images, size if size.is_known else Size(1))
        training = Training(blank, run.recipe.students[student], protocol, run.seed)
        total += number * seconds_of(run, training)
    workers = max(1, min(num_worth(run, total), len(grid)))
    return total / workers, len(grid), workers


def _blank(images: "Images", size: Size) -> SyntheticSet:
    """Return a set of black images of a size."""
    numbers = torch.tensor(size.numbers(images.counts.tolist()))
    labels = torch.arange(images.num_classes).repeat_interleave(numbers)
    kind = torch.uint8 if images.modality == "image" else torch.float32
    shape = len(labels), images.channels, images.image_size, images.image_size
    return SyntheticSet(
        images=torch.zeros(shape, dtype=kind),
        labels=labels,
        weights=torch.ones(len(labels)),
        class_names=images.class_names,
        class_ids=images.class_ids,
    )
