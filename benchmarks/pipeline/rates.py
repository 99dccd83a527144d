"""Images per second from a stored set to a normalized batch, and with a student behind it.

    python -m benchmarks.pipeline rates recipe=NAME [overrides] -- [images=1000] [size=32] [runs=5]

The same images and the same augmentation on both sides, taking turns in one process.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.pipeline.loader import endless, make_loader, write_pictures
from benchmarks.pipeline.opened import opened
from ddoq.evaluation.evaluators.train import student_of
from ddoq.evaluation.training import Training, feed_of
from ddoq.files.artifacts import write_json
from ddoq.protocols.presets import preset
from ddoq.protocols.protocol import Protocol
from ddoq.recipe.component import Block
from ddoq.run import Run
from ddoq.synthetic import SyntheticSet

_SETTLE = 0.5
# Two workers read two batches ahead each.
_AHEAD = 5
# So many steps may wait for a GPU: enough to keep it busy, few enough to stop in time.
IN_FLIGHT = 10


@dataclass(frozen=True)
class Options:
    """What may be set after `--`."""

    images: int = 1000
    seconds: float = 2.0
    student_seconds: float = 4.0
    runs: int = 5
    workers: int = 2
    threads: int = 2
    batch_size: int = 64
    suffixes: tuple[str, ...] = ("png", "jpg")
    out: Path = Path("pipeline.json")


def main(argv: list[str]) -> None:
    """Measure, print the rates and ratios, and save every value."""
    run, asked, about = opened(argv, Options, "rates", ("torch", "torchvision", "pillow"))
    protocol = preset(
        "small_hard", steps=10**6, batch_size=asked.batch_size, crop=[0.08, 1.0], flip=True
    )
    synthetic = run.images.subset(torch.randperm(len(run.images.train))[: asked.images])
    rates = {k: [] for k in ("ddoq", *asked.suffixes)}
    with tempfile.TemporaryDirectory() as scratch:
        sources = {"ddoq": ours(run, synthetic, protocol)}
        for suffix in asked.suffixes:
            sources[suffix] = theirs(run, synthetic, protocol, Path(scratch), suffix, asked)
        for _ in range(asked.runs):
            for name, draw in sources.items():
                rates[name].append(rate(draw, asked.seconds, asked.batch_size))
        trained = [
            with_student(run, block, synthetic, protocol, sources, asked)
            for block in run.recipe.students
        ]
    show(run, rates, trained)
    write_json(asked.out, {"machine": about, "rates": rates, "students": trained})


def ours(run: Run, synthetic: SyntheticSet, protocol: Protocol) -> Callable[[], Any]:
    """Return what draws the next step of a feed, normalized."""
    feed = feed_of(run, Training(synthetic, run.recipe.students[0], protocol, 0))
    steps = iter(feed)

    def draw() -> Any:
        batch = next(steps)
        return run.images.preprocessing.forward(batch.images), batch.labels

    return draw


def theirs(
    run: Run,
    synthetic: SyntheticSet,
    protocol: Protocol,
    scratch: Path,
    suffix: str,
    asked: Options,
) -> Callable[[], Any]:
    """Return what draws the next batch of the field's loader."""
    write_pictures(synthetic, scratch / suffix, suffix)
    images = run.images
    loader = make_loader(
        scratch / suffix,
        protocol,
        workers=asked.workers,
        size=images.image_size,
        mean=images.mean,
        std=images.std,
    )
    batches = endless(loader)
    return lambda: next(batches)


def rate(draw: Callable[[], Any], seconds: float, batch_size: int) -> float:
    """Return the images per second over some seconds, after what was read ahead is used up."""
    # A loader's workers that fill their queues would slow down what is measured next.
    time.sleep(_SETTLE)
    for _ in range(_AHEAD):
        draw()
    wait()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        draw()
        steps += 1
        if steps % IN_FLIGHT == 0:
            wait()
    wait()
    return steps * batch_size / (time.perf_counter() - start)


def wait() -> None:
    """Wait for the GPU, which is given work faster than it does it."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def with_student(
    run: Run,
    block: Block,
    synthetic: SyntheticSet,
    protocol: Protocol,
    sources: dict[str, Callable[[], Any]],
    asked: Options,
) -> dict[str, Any]:
    """Return the images per second with a student behind them, and on constant data."""
    training = Training(synthetic, block, protocol, 0)
    device = run.world.device
    student = student_of(run, training, feed_of(run, training), None).to(device)
    optimizer = student.configure_optimizers()["optimizer"]
    constant = sources["ddoq"]()

    def train(draw: Callable[[], Any]) -> None:
        images, labels = (t.to(device) for t in draw())
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(student.net(images), labels).backward()
        optimizer.step()

    found: dict[str, list[float]] = {k: [] for k in (*sources, "constant")}
    draws = {**sources, "constant": lambda: constant}
    for _ in range(asked.runs):
        for name, draw in draws.items():
            found[name].append(
                rate(lambda d=draw: train(d), asked.student_seconds, asked.batch_size)
            )
    return {"student": str(block), "rates": found}


def show(run: Run, rates: dict[str, list[float]], trained: list[dict[str, Any]]) -> None:
    """Print medians, ranges and ratios."""
    size, base = run.images.image_size, statistics.median(rates["ddoq"])
    print(f"\n{size} x {size}, from the stored set to a normalized batch, images/s")
    for name, values in rates.items():
        middle = statistics.median(values)
        span = f"[{min(values):.0f}-{max(values):.0f}]"
        print(f"{name:6} {middle:10.0f} {span:20} ddoq is {base / middle:.1f} times as fast")
    for row in trained:
        middle = {k: statistics.median(v) for k, v in row["rates"].items()}
        share = middle["constant"] / base
        print(f"\n{row['student']}: the pipeline takes {share:.1%} of a step on constant data")
        for name, value in middle.items():
            print(f"  {name:9} {value:8.0f} images/s, {value / middle['constant']:.2f} of constant")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
