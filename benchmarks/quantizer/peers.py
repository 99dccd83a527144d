"""Distortion and time of ddoq's quantizer and its peers: one process, one set of latents.

    python -m benchmarks.quantizer peers latents=FILE_OR_FOLDER [fit=1300] [points=1,10,50,200]
        [parts=1] [quick=false]

`parts` cuts every class into so many classes, for a data set of many; `quick` compares only the
methods that differ in time. `faiss` is as it comes, which stops once its objective no longer falls;
`faiss 25` makes all its 25 iterations.

Every run has its own seed, and within a run all methods take their turn on all classes, so that
noise hits all alike. Qualities are means over runs, seconds are medians of a run's mean per class.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from benchmarks.quantizer import measure
from benchmarks.quantizer.contenders import (
    BESIDE,
    CONTENDERS,
    D4M,
    FAISS,
    FAISS_ALL,
    QUALITY,
    TIME,
    Fit,
    beside,
    ours,
    set_threads,
)
from ddoq.data.latents import LatentStore
from ddoq.errors import UsageError
from ddoq.files.artifacts import write_json
from ddoq.files.tensors import read_tensors
from ddoq.processes.memory import keep_freed
from ddoq.recipe import arguments

_HEADER = (
    "method",
    "in-sample",
    "held-out",
    "share",
    "s/class, median [min-max]",
    "time/sk1",
    "time/faiss",
    "time/faiss 25",
    "in % sk10",
    "out % D4M",
    "out % sk1",
    "out % sk10",
    "lower out than D4M, sk1, sk10",
)

# Means in float32 differ by less than this; at K = 1 all methods give the mean.
_ROUNDING = 1e-6

_PAUSE = 0.2


@dataclass(frozen=True)
class Options:
    """What may be set."""

    latents: Path
    fit: int = 1300
    parts: int = 1
    points: tuple[int, ...] = (1, 10, 50, 200)
    classes: int = 0
    runs: int = 5
    quality_runs: int = 1
    quick: bool = False
    threads: int = 2
    out: Path = Path("peers.json")


@dataclass(frozen=True)
class Class:
    """The latents of one class, split."""

    name: str
    fit: Fit
    held_out: np.ndarray


def main(argv: list[str]) -> None:
    """Run all methods; print a table for every number of points, and save every single value."""
    asked = arguments.read(Options, argv, "peers")
    set_threads(asked.threads)
    # As in every run of ddoq; it holds for the peers, too.
    keep_freed()
    classes = [
        part
        for name, latents in read_classes(asked.latents, asked.classes)
        for part in split(name, latents, asked.fit, asked.parts)
    ]
    packages = ("torch", "scikit-learn", "faiss", "numpy")
    about = measure.machine(asked.threads, packages)
    measure.show_machine(about)
    held_out = len(classes[0].held_out)
    print(f"{len(classes)} classes of {asked.fit} latents, {held_out} held out in the first")
    warm_up(classes[0])
    rows: list[dict[str, Any]] = []
    for num_points in asked.points:
        found = list(compare(classes, num_points, asked))
        rows += found
        print(f"\nK = {num_points}\n{table(found)}", flush=True)
        write_json(asked.out, {"machine": about, "options": shown(asked), "rows": rows})


def read_classes(source: Path, most: int) -> Iterator[tuple[str, Tensor]]:
    """Yield the names and flat latents of a latent store, or of a file with a tensor per class."""
    if source.is_dir():
        store = LatentStore.open(source)
        tensors = {str(c): store.latents(c) for c in range(len(store.counts))}
    else:
        tensors = dict(sorted(read_tensors(source).items()))
    for name in list(tensors)[: most or None]:
        yield name, tensors[name].flatten(1).half()


def split(name: str, latents: Tensor, num_fit: int, parts: int = 1) -> list[Class]:
    """Take `num_fit` latents, once or several times; what is left is held out."""
    if len(latents) <= num_fit * parts:
        raise UsageError(
            f"class {name} has {len(latents)} latents", f"lower fit={num_fit} or parts={parts}"
        )
    *fits, held_out = latents.split([num_fit] * parts + [len(latents) - num_fit * parts])
    names = [name] if parts == 1 else [f"{name}.{number}" for number in range(parts)]
    return [
        Class(own, Fit(half.clone(), half.float().numpy()), held_out.double().numpy())
        for own, half in zip(names, fits, strict=True)
    ]


def warm_up(data: Class) -> None:
    """Let every method load its libraries and start its threads."""
    small = Fit(data.fit.half[:100], data.fit.single[:100])
    for contender in CONTENDERS.values():
        contender(small, 2, 0)


def compare(classes: list[Class], num_points: int, asked: Options) -> Iterator[dict[str, Any]]:
    """Yield every method's outcome on every class in every run."""
    taking_turns = {**CONTENDERS, BESIDE: ours}
    if asked.quick:
        timed = (D4M, TIME, FAISS, FAISS_ALL, "ours", BESIDE)
        taking_turns = {name: taking_turns[name] for name in timed}
    for run in range(asked.runs):
        for name, contender in taking_turns.items():
            if name == QUALITY and run >= asked.quality_runs:
                continue
            # The threads of the method before would still be spinning.
            time.sleep(_PAUSE)
            # A whole data set; the points are judged afterwards.
            if name == BESIDE:
                made = all_at_once(classes, num_points, run)
            else:
                made = [measure.timed(partial(contender, c.fit, num_points, run)) for c in classes]
            for data, (points, seconds) in zip(classes, made, strict=True):
                yield {
                    "method": name,
                    "points": num_points,
                    "class": data.name,
                    "run": run,
                    "seconds": seconds,
                    "in_sample": measure.distortion(data.fit.single, points),
                    "held_out": measure.distortion(data.held_out, points),
                    "share": measure.effective_share(data.fit.single, points),
                }


def all_at_once(classes: list[Class], num_points: int, run: int) -> list[tuple[np.ndarray, float]]:
    """Return the points of every class, and its share of the seconds that all took together."""
    fits = [c.fit for c in classes]
    points, seconds = measure.timed(partial(beside, fits, num_points, run))
    return [(own, seconds / len(fits)) for own in points]


def shown(asked: Options) -> dict[str, Any]:
    """Return the options as plain data."""
    return {k: str(v) if isinstance(v, Path) else v for k, v in vars(asked).items()}


def by_class(rows: list[dict[str, Any]], method: str, key: str) -> dict[str, float]:
    """Return the mean over runs for every class."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row["method"] == method:
            values.setdefault(row["class"], []).append(row[key])
    return {name: statistics.fmean(v) for name, v in values.items()}


def by_run(rows: list[dict[str, Any]], method: str) -> list[float]:
    """Return the mean seconds per class of every run."""
    values: dict[int, list[float]] = {}
    for row in rows:
        if row["method"] == method:
            values.setdefault(row["run"], []).append(row["seconds"])
    return [statistics.fmean(v) for v in values.values()]


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table of one number of points."""
    methods = dict.fromkeys(row["method"] for row in rows)
    return measure.markdown(_HEADER, [_line(rows, method) for method in methods])


def _line(rows: list[dict[str, Any]], method: str) -> list[str]:
    def mean(of: str, key: str) -> float:
        return statistics.fmean(by_class(rows, of, key).values())

    def against(other: str, key: str) -> str:
        if not by_class(rows, other, key):
            return "-"
        percent = 100 * (mean(method, key) / mean(other, key) - 1)
        return f"{percent:+.2f}" if abs(percent) >= 0.005 else "0.00"

    def lower(other: str) -> str:
        mine, theirs = by_class(rows, method, "held_out"), by_class(rows, other, "held_out")
        if not theirs:
            return "-"
        clearly = 1 - _ROUNDING
        return f"{sum(mine[name] < clearly * theirs[name] for name in mine)}/{len(mine)}"

    seconds = {name: by_run(rows, name) for name in (method, TIME, FAISS, FAISS_ALL)}
    median = {name: statistics.median(values) for name, values in seconds.items()}
    return [
        method,
        *(f"{mean(method, key):.2f}" for key in ("in_sample", "held_out", "share")),
        measure.spread(seconds[method]),
        *(f"{median[method] / median[other]:.2f}" for other in (TIME, FAISS, FAISS_ALL)),
        against(QUALITY, "in_sample"),
        *(against(other, "held_out") for other in (D4M, TIME, QUALITY)),
        " ".join(lower(other) for other in (D4M, TIME, QUALITY)),
    ]
