"""Correlate the accuracy of a run's rows with their sets' distance to validation latents.

    python -m benchmarks.prediction recipe=NAME [overrides] out=FOLDER

after `python -m ddoq.fit` with the same words. For every set: W2 squared, exact, between a class's
validation latents and (a) the latents of the set's images, (b) the points they were decoded from,
both under the weights in use; mean over classes. For every size and protocol: Spearman's rank
correlation over rows of less distance with more accuracy.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddoq import command, recipe
from ddoq.data.conversion import as_floats
from ddoq.evaluation.grid import Grid
from ddoq.evaluation.score import QUOTED, Result, Row
from ddoq.files.artifacts import write_json
from ddoq.quantize import functional
from ddoq.quantize.transport import transport
from ddoq.report.files import read_results
from ddoq.run import Run
from ddoq.synthetic import SyntheticSet

_BATCH, _BOOTSTRAP = 256, 2000
KINDS = ("images", "points")


def main(argv: list[str]) -> None:
    """Measure every set, correlate, print and save."""
    invocation = recipe.read(argv)
    run = Run(invocation.recipe)
    folder = run.open_folder(invocation.digest)
    results = read_results(folder)
    distances = {k: dict(v) for k, v in _distances(run).items()}
    rows = [found for kind in KINDS for found in correlations(results, distances, kind)]
    print(f"{'distance of':12}{'ipc':>5} {'protocol':24}{'among':20}{'n':>4}  rho [95 %]")
    for row in rows:
        low, high = row["interval"]
        print(
            f"{row['kind']:12}{row['images_per_class']:5} {row['protocol']:24}{row['among']:20}"
            f"{row['n']:4}  {row['rho']:+.2f} [{low:+.2f}, {high:+.2f}]"
        )
    values = [
        {**vars(row), "kind": kind, "w2_squared": fmean(values)}
        for row, kinds in distances.items()
        for kind, values in kinds.items()
    ]
    write_json(folder / "prediction.json", {"correlations": rows, "distances": values})


def _distances(run: Run) -> dict[Row, dict[str, list[float]]]:
    """Return the mean W2 squared over classes of every row's sets, by kind."""
    held = _held_out(run)
    found: dict[Row, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    known: dict[str, dict[str, float]] = {}
    grid = Grid.of(run)
    draws = [draw for draw in grid.draws if not grid.rows[draw.row].made.keeps_all]
    with run.console.stage("W2 to validation latents", len(draws)) as bar:
        for draw in draws:
            synthetic = grid.drawn(draw)
            key = synthetic.fingerprint
            if key not in known:
                known[key] = dict(_of_set(run, synthetic, held))
            for kind, value in known[key].items():
                found[Row(**grid.labels(draw))][kind].append(value)
            bar.advance()
    return found


def _held_out(run: Run) -> dict[int, Tensor]:
    """Return the latents of the validation images of each class that has some."""
    val, size = run.images.val, run.images.image_size
    of_class = {c: (val.labels == c).nonzero().flatten() for c in range(run.num_classes)}
    return {
        c: _encoded(run, as_floats(val.read(rows, size)))
        for c, rows in of_class.items()
        if len(rows)
    }


def _encoded(run: Run, images: Tensor) -> Tensor:
    device = run.world.device
    with torch.inference_mode():
        parts = [run.autoencoder.encode(x.to(device), None).cpu() for x in images.split(_BATCH)]
    return torch.cat(parts).flatten(1).double()


def _of_set(
    run: Run, synthetic: SyntheticSet, held: dict[int, Tensor]
) -> Iterator[tuple[str, float]]:
    images = _encoded(run, as_floats(synthetic.images))
    yield "images", _w2_squared(images, synthetic, held)
    if synthetic.latents is not None:
        yield "points", _w2_squared(synthetic.latents.flatten(1).double(), synthetic, held)


def _w2_squared(latents: Tensor, synthetic: SyntheticSet, held: dict[int, Tensor]) -> float:
    values: list[float] = []
    for label, unseen in held.items():
        own = synthetic.labels == label
        costs = functional.squared_distances(unseen, latents[own])
        values.append(transport(costs, synthetic.weights[own].double()).upper)
    return fmean(values)


def correlations(
    results: Sequence[Result], distances: dict[Row, dict[str, list[float]]], kind: str
) -> Iterator[dict[str, Any]]:
    """Yield the rank correlation of every size, protocol and group of rows."""
    groups: dict[tuple[int, str, str], dict[Row, list[float]]] = defaultdict(dict)
    for r in results:
        row = Row(r.distiller, r.images_per_class, r.weighting, r.decoder)
        if r.note != QUOTED and kind in distances.get(row, {}):
            key = r.images_per_class, r.protocol, r.teacher
            groups[key].setdefault(row, []).append(r.top1)
    for (size, protocol, teacher), tops in groups.items():
        for among in ("all", *dict.fromkeys(row.decoder for row in tops if row.decoder != "-")):
            rows = [row for row in tops if among in ("all", row.decoder)]
            near = [-fmean(distances[row][kind]) for row in rows]
            good = [fmean(tops[row]) for row in rows]
            if len(set(near)) > 2 and len(set(good)) > 2:
                rho, interval = _spearman(near, good)
                yield {
                    "kind": kind,
                    "images_per_class": size,
                    "protocol": protocol,
                    "teacher": teacher,
                    "among": among,
                    "n": len(rows),
                    "rho": rho,
                    "interval": interval,
                }


def _spearman(first: list[float], second: list[float]) -> tuple[float, list[float]]:
    """Return Spearman's rho and its percentile interval over resampled rows."""
    from scipy.stats import spearmanr

    x, y = np.array(first), np.array(second)
    draws = np.random.default_rng(0).integers(len(x), size=(_BOOTSTRAP, len(x)))
    varied = [d for d in draws if len(set(x[d])) > 1 and len(set(y[d])) > 1]
    values = [float(spearmanr(x[d], y[d]).statistic) for d in varied]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(spearmanr(x, y).statistic), [float(low), float(high)]


if __name__ == "__main__":
    command.run(main)
