"""W2 between the images of each class and its weighted points, with and without guides.

    python -m benchmarks.transport recipe=NAME [overrides] -- [images=10] [weights=0,0.25,0.5,1]

All images begin with noise. They are re-encoded, and count alike; the points have their masses.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from benchmarks.quantizer import measure
from ddoq import command, recipe
from ddoq.data.conversion import as_floats
from ddoq.decoders.decoding import decode, read_images
from ddoq.distillers.ddoq import DDOQ
from ddoq.files.artifacts import write_json
from ddoq.priors.raw import raw_decoder
from ddoq.quantize.functional import squared_distances
from ddoq.quantize.quantization import Quantization
from ddoq.quantize.transport import w2_squared
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.settings import complete
from ddoq.run import Run


@dataclass(frozen=True)
class Options:
    """What may be set after `--`."""

    images: int = 10
    weights: tuple[str, ...] = ("0", "0.25", "0.5", "1")
    seeds: int = 3
    out: Path = Path("transport.json")


def main(argv: list[str]) -> None:
    """Guide with each weight, print every class, and save every value."""
    cut = argv.index("--") if "--" in argv else len(argv)
    asked = arguments_of(argv[cut + 1 :])
    run = Run(recipe.read(argv[:cut]).recipe)
    about = measure.machine(torch.get_num_threads(), ("torch", "diffusers"))
    measure.show_machine(about)
    points = _points(run, asked.images)
    rows: list[dict[str, Any]] = []
    for weight in map(float, asked.weights):
        for seed in range(asked.seeds):
            images = _images(run, points, weight, seed)
            share = float(
                (run.teacher(as_floats(images)).argmax(1) == points.labels).float().mean()
            )
            w2 = [_w2(run, points, images, c) for c in range(run.num_classes)]
            rows.append({"weight": weight, "seed": seed, "w2": w2, "in_class": share})
    for weight in map(float, asked.weights):
        print(_line([r for r in rows if r["weight"] == weight], rows[: asked.seeds]))
    write_json(asked.out, {"machine": about, "rows": rows})


def arguments_of(words: list[str]) -> Options:
    """Read what stands after `--`."""
    from ddoq.recipe import arguments

    return arguments.read(Options, words, "transport")


def _points(run: Run, images: int) -> Quantization:
    block = complete(KINDS, "distiller", {"name": "ddoq", "images_per_class": images, "folds": 0})
    parts = {"decoder": {"name": "plain"}, "weighting": {"name": "uniform"}}
    distiller = run.make("distiller", block, **parts)
    assert isinstance(distiller, DDOQ)
    return distiller.points(run, 0).quantization


def _images(run: Run, points: Quantization, weight: float, seed: int) -> Tensor:
    guide = complete(KINDS, "guide", {"name": "transport", "weight": weight})
    block = {**raw_decoder(run.recipe.decoder, run.recipe.prior), "guide": guide}
    with TemporaryDirectory() as name:
        folder = Path(name)
        decoder = run.make("decoder", block, seed=seed)
        decode(points, decoder, folder, image_size=run.image_size, world=run.world)
        return read_images(folder)


def _w2(run: Run, points: Quantization, images: Tensor, label: int) -> float:
    own = points.labels == label
    with torch.inference_mode():
        latents = run.autoencoder.encode(as_floats(images[own])).flatten(1).double()
    costs = squared_distances(latents, points.points[own].flatten(1).double())
    return w2_squared(costs, points.masses[own]) ** 0.5


def _line(rows: list[dict[str, Any]], unguided: list[dict[str, Any]]) -> str:
    """Say the mean over classes and seeds, and in how many classes each seed's W2 is lower."""
    values = [w for row in rows for w in row["w2"]]
    pairs = [
        (a, b)
        for r, u in zip(rows, unguided, strict=True)
        for a, b in zip(r["w2"], u["w2"], strict=True)
    ]
    lower = sum(a < b for a, b in pairs)
    share = sum(r["in_class"] for r in rows) / len(rows)
    return (
        f"weight {rows[0]['weight']:g}: W2 {sum(values) / len(values):.3f}, lower in {lower} of "
        f"{len(pairs)} classes; the teacher puts {share:.1%} of the images in their class"
    )


if __name__ == "__main__":
    command.run(main, sys.argv[1:])
