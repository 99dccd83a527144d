"""Time and memory of quantizing a data set of ImageNet-1K's shape, against the number of classes.

    python -m benchmarks.quantizer scale store=FOLDER work=FOLDER [series=125,250,500,1000]

The store is generated where it is not there (10.5 GB by default), and read once before anything
is timed, so that it lies in the page cache as far as that is large enough.
"""

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quantizer import measure
from benchmarks.quantizer.generated import buffer_for, generate, stream
from benchmarks.quantizer.memory import run_watched
from ddoq.errors import UsageError
from ddoq.files.artifacts import read_json, write_json
from ddoq.recipe import arguments

_MIB = 2**20
_HEADER = (
    "K",
    "classes",
    "seconds",
    "ms/class",
    "peak of own memory, MiB",
    "before the start, MiB",
    "peak with mapped files, MiB",
)


@dataclass(frozen=True)
class Options:
    """What may be set."""

    store: Path
    work: Path
    classes: int = 1000
    count: int = 1281
    dim: int = 4096
    points: tuple[int, ...] = (10, 200)
    series: tuple[int, ...] = (125, 250, 500, 1000)
    runs: int = 1
    threads: int = 2
    out: Path = Path("scale.json")
    plot: Path = Path("scale.png")


def main(argv: list[str]) -> None:
    """Generate, quantize for every number of points and classes, print, fit, plot."""
    asked = arguments.read(Options, argv, "scale")
    if max(asked.series) > asked.classes:
        raise UsageError(f"series={asked.series} goes beyond classes={asked.classes}", "lower it")
    about = measure.machine(asked.threads, ("torch", "lightning", "numpy"))
    measure.show_machine(about)
    shape = {"classes": asked.classes, "count": asked.count, "dim": asked.dim}
    store, seconds = measure.timed(lambda: generate(asked.store, **shape))
    print(f"store: {shape}, there after {seconds:.1f} s")
    stream(store, buffer_for(store))
    rows = [
        measured(asked, num_points, num_classes, run)
        for run in range(asked.runs)
        for num_points in asked.points
        for num_classes in asked.series
    ]
    # Two of them lie on a line whatever the cost.
    fits = {k: linear_fit(rows, k) for k in asked.points if len(asked.series) > 2}
    saved = {"machine": about, "shape": shape, "rows": rows}
    write_json(asked.out, {**saved, "fits": {str(k): fit for k, fit in fits.items()}})
    show(rows, fits, asked)
    if fits:
        draw(rows, fits, asked.plot)


def measured(asked: Options, num_points: int, num_classes: int, run: int) -> dict[str, Any]:
    """Quantize the store's first classes in a process of their own."""
    work = asked.work / f"points-{num_points}-classes-{num_classes}"
    values = {"points": num_points, "classes": num_classes, "threads": asked.threads}
    arguments = {"store": asked.store.resolve(), "work": work.resolve(), **values}
    command = [sys.executable, "-m", "benchmarks.quantizer.child"]
    peaks = run_watched([*command, *(f"{k}={v}" for k, v in arguments.items())])
    found = read_json(work / "measured.json")
    print(f"K = {num_points}, {num_classes} classes: {found['seconds']:.2f} s", flush=True)
    return {**values, "run": run, **found, "peak": peaks}


def linear_fit(rows: list[dict[str, Any]], num_points: int) -> dict[str, float]:
    """Return the least-squares line of seconds against classes, and its R^2."""
    mine = [row for row in rows if row["points"] == num_points]
    x, y = (np.array([row[key] for row in mine], float) for key in ("classes", "seconds"))
    slope, constant = np.polyfit(x, y, 1)
    rest = np.square(y - slope * x - constant).sum()
    r2 = 1 - rest / np.square(y - y.mean()).sum()
    return {"slope": float(slope), "constant": float(constant), "r2": float(r2)}


def _line(rows: list[dict[str, Any]], num_points: int, num_classes: int) -> list[str]:
    mine = [r for r in rows if (r["points"], r["classes"]) == (num_points, num_classes)]
    seconds = [row["seconds"] for row in mine]
    return [
        str(num_points),
        str(num_classes),
        measure.spread(seconds, digits=4),
        f"{1000 * statistics.median(seconds) / num_classes:.1f}",
        f"{max(row['peak']['Pss_Anon'] for row in mine) / _MIB:.0f}",
        f"{max(row['before']['Pss_Anon'] for row in mine) / _MIB:.0f}",
        f"{max(row['peak']['Pss'] for row in mine) / _MIB:.0f}",
    ]


def show(rows: list[dict[str, Any]], fits: dict[int, dict[str, float]], asked: Options) -> None:
    """Print the table and the fitted lines."""
    lines = [_line(rows, k, c) for k in asked.points for c in asked.series]
    print(measure.markdown(_HEADER, lines))
    for k, fit in fits.items():
        line = f"{fit['slope'] * 1000:.1f} ms a class {fit['constant']:+.2f} s"
        print(f"K = {k}: {line}, R^2 = {fit['r2']:.5f}")


def draw(rows: list[dict[str, Any]], fits: dict[int, dict[str, float]], file: Path) -> None:
    """Plot seconds against classes with the fitted lines."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for k, fit in fits.items():
        mine = [row for row in rows if row["points"] == k]
        dots = axes.scatter([r["classes"] for r in mine], [r["seconds"] for r in mine])
        x = np.array([0, max(r["classes"] for r in mine)])
        label = f"K = {k}: {1000 * fit['slope']:.0f} ms a class, R² = {fit['r2']:.4f}"
        color = dots.get_facecolor()[0]
        axes.plot(x, fit["slope"] * x + fit["constant"], color=color, lw=1, label=label)
    axes.set(xlabel="classes", ylabel="seconds", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(file, dpi=150)
    pyplot.close(figure)
