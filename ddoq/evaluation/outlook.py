"""About how long a run will take, said before anything is trained: a few steps of each kind."""

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from ddoq.data.images import NotDecoded
from ddoq.evaluation.forecast import seconds_of
from ddoq.evaluation.grid import Grid
from ddoq.evaluation.training import Training
from ddoq.evaluation.workers import num_workers
from ddoq.run.pretraining import pretrainer
from ddoq.size import Size

if TYPE_CHECKING:
    from ddoq.run import Run


def outlook(run: "Run", parts: list[str]) -> str:
    """Return one line about the minutes of these weights, and of the trainings after them."""
    how = {part: pretrainer(part, run.recipe.pretrain[part]) for part in parts}
    weights = {part: one.seconds(run) / 60 for part, one in how.items()}
    trainings, number = _trainings(run)
    each = ", ".join(f"{part} {minutes:.2g}" for part, minutes in weights.items())
    whole = sum(weights.values()) + trainings / 60
    return (
        f"about {whole:.2g} minutes in all: {each}, {number} trainings {trainings / 60:.2g}; "
        f"encoding and decoding are not counted{_sets(run)}"
    )


def minutes_of_trainings(run: "Run") -> str:
    """Return one line about the minutes of all trainings, for a plan, which decodes nothing."""
    try:
        seconds, number = _trainings(run)
    except NotDecoded:
        return "the minutes are told by the run, as its images are not decoded yet"
    return f"about {seconds / 60:.2g} minutes of training, if none of {number} trainings is cached"


def _sets(run: "Run") -> str:
    """Say how many sets are learned: their time can be told once the weights are there."""
    grid = Grid.of(run)
    number = sum(grid.rows[draw.row].made.learns for draw in grid.draws)
    return f", nor are {number} sets to be learned" if number else ""


def _trainings(run: "Run") -> tuple[float, int]:
    """Return the seconds and number of all trainings, on random images in place of the sets.

    The teacher may not be there yet, so all labels are hard.
    """
    grid = Grid.of(run)
    kinds = Counter(grid.kind_of(job) for job in range(len(grid)))
    total = 0.0
    for (table, student, size), number in kinds.items():
        # A whitening may not be there either, and takes no time of a step.
        protocol = replace(grid.tables[table].protocol.with_hard_labels(), whiten="none")
        block = {"name": "random", **(size if size.is_known else Size(1)).settings}
        drawn = run.make("distiller", block).distill(run.images, run, run.seed)
        training = Training(drawn, run.recipe.students[student], protocol, run.seed)
        total += number * seconds_of(run, training)
    workers = 1 if run.world.size > 1 else num_workers(run)
    return total / max(1, min(workers, len(grid))), len(grid)
