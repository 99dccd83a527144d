"""A teacher for CIFAR-10: as many steps as fit, its accuracy, its weights in half precision."""

import time
from collections.abc import Callable

from benchmarks.gpu.cifar import card_of, leave_halved, open_run
from benchmarks.gpu.device import peak_gib, wait
from benchmarks.gpu.part import Options
from ddoq.priors.quality import in_class
from ddoq.run import Run
from ddoq.teachers.trained import trained_teacher

# The training itself; loading, measuring and saving come on top.
_SECONDS, _RESERVE = 85.0, 15.0
_WARM, _TIMED = 20, 100


def main(asked: Options) -> None:
    """Measure the rate, train for as long as there is time, measure the accuracy, leave it."""
    run = open_run(asked)
    images = run.images
    asked.note({"loading_seconds": _seconds(lambda: images.pixels("train"))})
    wanted = asked.scaled(run.recipe.pretrain["teacher"]["steps"], least=30)
    rate = _rate(run, few=asked.scaled(_WARM, least=2), timed=asked.scaled(_TIMED, least=5))
    steps = max(1, min(wanted, int(min(_SECONDS, asked.seconds_left - _RESERVE) * rate)))
    batch_size = run.recipe.pretrain["teacher"]["batch_size"]
    asked.note({"steps_per_second": rate, "images_per_second": rate * batch_size, "steps": steps})
    seconds = _trained(run, steps)
    folder = leave_halved(asked, run.pretrained("teacher"))
    teacher = trained_teacher(source=str(folder)).for_classes(images.class_ids)
    teacher = teacher.to(run.world.device)
    accuracy = in_class(teacher, images.pixels("test"), images.test.labels)
    figures = {
        "seconds": seconds,
        "test_accuracy_in_half_precision": accuracy,
        "peak_gib": peak_gib(run.world.device),
        "card": card_of(folder),
    }
    asked.note(figures)
    print(f"{steps} steps in {seconds:.1f} s: {accuracy:.2%} of {len(images.test)} test images")


def _rate(run: Run, *, few: int, timed: int) -> float:
    """Return the steps per second, from what further steps cost a training."""
    # The first training also loads kernels and validation images.
    _trained(run, few)
    short, long = _trained(run, few + 1), _trained(run, few + 1 + timed)
    return timed / (long - short if long > short else long)


def _trained(run: Run, steps: int) -> float:
    """Train for so many steps, and return the seconds that took."""
    run.recipe.pretrain["teacher"]["steps"] = steps
    return _seconds(lambda: (run.pretrained("teacher"), wait(run.world.device)))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
