"""A forecast of how long the trainings of a grid take: a few steps of each kind are timed."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ddoq.errors import NotMade
from ddoq.evaluation.evaluators.train import student_of
from ddoq.evaluation.measure import measured
from ddoq.evaluation.training import Training, feed_of, label_of
from ddoq.run.refusals import refuse_set

if TYPE_CHECKING:
    from ddoq.run import Run

_TIMED, _LONG = 3, 2.0


def forecast(run: "Run", trainings: Iterable[Training]) -> float:
    """Return the seconds that trainings take one after another. The first of each kind is timed."""
    numbers: Counter[tuple[str, str, str, int]] = Counter()
    seconds: dict[tuple[str, str, str, int], float] = {}
    for training in trainings:
        student, teacher = str(training.student), str(training.teacher)
        kind = (student, training.wanted.id, teacher, len(training.synthetic))
        numbers[kind] += 1
        if kind not in seconds:
            seconds[kind] = seconds_of(run, training)
    return sum(number * seconds[kind] for kind, number in numbers.items())


def seconds_of(run: "Run", training: Training) -> float:
    """Return an estimate of the seconds of one training and its measurements."""
    refuse_set(run, training)
    protocol, feed = training.protocol, feed_of(run, training)
    label = label_of(run, training) if protocol.labels == "soft" else None
    student = student_of(run, training, feed, label).to(run.world.device)
    optimizer = student.configure_optimizers()["optimizer"]

    def train() -> None:
        optimizer.zero_grad()
        student.loss(feed.batch(0)).backward()
        optimizer.step()

    step = _median_seconds(run, train)
    batches = measured(run, protocol)
    images = _first(run, batches).to(run.world.device)
    student.eval()
    with torch.no_grad():
        test = _median_seconds(run, lambda: student(images))
    number = len(batches) * (1 + protocol.evaluations)
    if run.recipe.evaluation.choose:
        number += len(measured(run, protocol, "val"))
    return step * len(feed) + test * number


def _first(run: "Run", batches: Any) -> Tensor:
    """Return the first images to measure on, or as many black ones if they are not decoded."""
    try:
        return next(iter(batches))[0]
    except NotMade:
        number = min(batches.batch_size, len(run.images.split(batches.name)))
        return torch.zeros(number, run.channels, run.image_size, run.image_size)


def _median_seconds(run: "Run", work: Callable[[], object]) -> float:
    """Return the median time of a few calls. One call before them is not counted, if it is short.

    A call that takes seconds needs no second one to be known.
    """
    seconds: list[float] = []
    for _ in range(1 + _TIMED):
        start = time.perf_counter()
        work()
        if run.world.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        if seconds[-1] > _LONG:
            return seconds[-1]
    return sorted(seconds[1:])[_TIMED // 2]
