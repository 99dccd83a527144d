"""What is measured alike for all: distortion, effective share, seconds, the machine."""

import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
_CHUNK = 1024


def assign(latents: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each latent's nearest point and squared distance, in float64 throughout."""
    center = np.asarray(points, np.float64).mean(0)
    points = np.asarray(points, np.float64) - center
    norms = np.square(points).sum(1)
    cells, squares = [], []
    for first in range(0, len(latents), _CHUNK):
        chunk = np.asarray(latents[first : first + _CHUNK], np.float64) - center
        # |z|^2 is the same for all points and cannot change which is nearest.
        nearest = (norms - 2 * chunk @ points.T).argmin(1)
        cells.append(nearest)
        squares.append(np.square(chunk - points[nearest]).sum(1))
    return np.concatenate(cells), np.concatenate(squares)


def distortion(latents: np.ndarray, points: np.ndarray) -> float:
    """Return the mean of min_k |z - z_k|^2."""
    return float(assign(latents, points)[1].mean())


def effective_share(latents: np.ndarray, points: np.ndarray) -> float:
    """Return 1 / (K sum w^2): 1 where all cells hold as many latents, 1/K where one holds all."""
    counts = np.bincount(assign(latents, points)[0], minlength=len(points))
    masses = counts / counts.sum()
    return float(1 / (len(points) * np.square(masses).sum()))


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what `work` returns and its seconds."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Show the median and, with several values, the range."""
    median = f"{statistics.median(values):.{digits}g}"
    if len(values) == 1:
        return median
    return f"{median} [{min(values):.{digits}g}-{max(values):.{digits}g}]"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with its columns aligned."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def machine(threads: int, packages: Sequence[str]) -> dict[str, Any]:
    """Return where this runs: processor, threads, versions."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    versions = {"python": platform.python_version()}
    for package in packages:
        names = ("faiss-gpu", "faiss-cpu") if package == "faiss" else (package,)
        for name in names:
            try:
                versions[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
    load = round(os.getloadavg()[0], 2)
    cpu = models[0] if models else platform.processor()
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": threads,
        "load": load,
        "versions": versions,
    }


def show_machine(about: dict[str, Any]) -> None:
    """Print the machine in one line."""
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    print(
        f"{about['cpu']}, {about['cores']} cores, {about['threads']} threads, "
        f"load {about['load']} at the start; {versions}\n"
    )
