"""Write the tables, and show them: tidy for programs, Markdown for people."""

import csv
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.ablate.candidates import CANDIDATES, FOLDS
from benchmarks.ablate.case import Row
from benchmarks.ablate.decomposition import sentences
from benchmarks.ablate.invocation import Invocation
from benchmarks.ablate.means import Means, means
from benchmarks.ablate.spectrum import Spectrum, average
from benchmarks.ablate.table import points_grid, spectrum_grid
from ddoq.display.console import Console
from ddoq.files.artifacts import replacing, write_json

_LIBRARIES = ("torch", "scikit-learn", "POT")


def report(
    invocation: Invocation, rows: Sequence[Row], spectra: Sequence[Spectrum], console: Console
) -> None:
    """Write everything into the folder and show it in the terminal."""
    averages = means(rows)
    grids = [points_grid(averages, k, invocation.solvers) for k in invocation.points]
    grids.append(spectrum_grid(spectra))
    told = sentences(averages, invocation.points, invocation.solvers)
    _write_csv(invocation.out / "ablation.csv", rows)
    write_json(invocation.out / "ablation.json", _content(invocation, averages, spectra, told))
    lines = [_heading(invocation, len(spectra)), *(grid.markdown() for grid in grids)]
    lines += [f"- {sentence}" for sentence in told]
    _write(invocation.out / "ablation.md", "\n".join(lines) + "\n")
    for grid in grids:
        console.show(grid.rich())
        console.say("")
    for sentence in told:
        console.say(sentence)


def _write(file: Path, text: str) -> None:
    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _write_csv(file: Path, rows: Sequence[Row]) -> None:
    with replacing(file) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [f.name for f in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def _heading(invocation: Invocation, num_classes: int) -> str:
    spread = (
        f"mean of {num_classes} classes, ± standard deviation over {invocation.seeds} seeds"
        if invocation.seeds > 1
        else f"mean of {num_classes} classes, seed {invocation.seed}"
    )
    return (
        f"`{invocation.latents.name}`, {invocation.held_out:.0%} of each class held out, {spread}, "
        f"threads={invocation.threads}, {_cpu()}. The strength of a shrinkage is chosen by "
        f"{FOLDS}-fold cross-validation of the fitted latents; effective share is that of the "
        "masses; seconds and MB (peak resident memory above that before) are the solver's.\n"
    )


def _content(
    invocation: Invocation, averages: Means, spectra: Sequence[Spectrum], told: Sequence[str]
) -> dict[str, Any]:
    settings = {
        **asdict(invocation),
        "latents": str(invocation.latents),
        "out": str(invocation.out),
    }
    names = ("num_points", "solver", "shrinkage", "weighting")
    plain = [
        {**dict(zip(names, key, strict=True)), **{q: m and asdict(m) for q, m in own.items()}}
        for key, own in averages.items()
    ]
    return {
        "settings": {**settings, "folds": FOLDS},
        "solvers": {name: asdict(CANDIDATES[name]) for name in invocation.solvers},
        "machine": _machine(),
        "means": plain,
        "spectra": {"classes": [asdict(s) for s in spectra], "mean": average(spectra)},
        "decompositions": list(told),
    }


def _machine() -> dict[str, Any]:
    versions = {name: version(name) for name in _LIBRARIES}
    return {"cpu": _cpu(), "cores": os.cpu_count(), "python": sys.version.split()[0], **versions}


def _cpu() -> str:
    """Return the processor's name where the system tells it, else its kind."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
