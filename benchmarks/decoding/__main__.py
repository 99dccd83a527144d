"""Images per second of a recipe's decoder, by block, beside diffusers.

    python -m benchmarks.decoding recipe=NAME [overrides] -- [blocks=1,8,32,64] [images=64] [runs=3]

The peer is diffusers' DiTPipeline where the prior is one, and otherwise a plain loop over its
network and scheduler. Both draw raw samples under guidance with the recipe's steps, in each of the
batches. One image per call is how D4M's code decodes. Every round measures all once, in turn.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.quantizer import measure
from ddoq import command, recipe
from ddoq.files.artifacts import write_json
from ddoq.priors.raw import raw_decoder
from ddoq.quantize.blocks import PointBlock
from ddoq.recipe import arguments
from ddoq.run import Run

# From a number of images to images.
Draw = Callable[[int], Tensor]


@dataclass(frozen=True)
class Options:
    """What may be set after `--`."""

    blocks: tuple[str, ...] = ("1", "8", "32", "64")
    images: int = 64
    runs: int = 3
    out: Path = Path("decoding.json")


def main(argv: list[str]) -> None:
    """Measure in turn, print medians with their range, and save every value."""
    cut = argv.index("--") if "--" in argv else len(argv)
    asked = arguments.read(Options, argv[cut + 1 :], "decoding")
    run = Run(recipe.read(argv[:cut]).recipe)
    about = measure.machine(torch.get_num_threads(), ("torch", "diffusers"))
    measure.show_machine(about)
    contenders = {"ddoq": _ours(run), "diffusers": _theirs(run)}
    rates: dict[tuple[str, int], list[float]] = {}
    with torch.inference_mode():
        for draw in contenders.values():
            draw(1)
        for _ in range(asked.runs):
            for block in map(int, asked.blocks):
                for name, draw in contenders.items():
                    rates.setdefault((name, block), []).append(_rate(draw, block, asked.images))
    for (name, block), found in rates.items():
        low, middle, high = min(found), statistics.median(found), max(found)
        print(f"{name}, {block} at once: {middle:.3g} images/s ({low:.3g} to {high:.3g})")
    _compare(rates)
    rows = [{"name": n, "block": b, "images_per_second": r} for (n, b), r in rates.items()]
    write_json(asked.out, {"machine": about, "rows": rows})


def _rate(draw: Draw, block: int, images: int) -> float:
    """Return images per second; one at a time, an eighth of the images is enough."""
    calls = max(1, (images if block > 1 else images // 8) // block)
    start = time.perf_counter()
    for _ in range(calls):
        draw(block)
    return calls * block / (time.perf_counter() - start)


def _compare(rates: dict[tuple[str, int], list[float]]) -> None:
    """Print the ratios of each round: our best block against the best batch and single calls."""

    def best(name: str) -> list[float]:
        return max((r for (n, _), r in rates.items() if n == name), key=statistics.median)

    for what, other in (
        ("the library's best batch", best("diffusers")),
        ("one image per call of the library", rates.get(("diffusers", 1))),
    ):
        if other:
            ratios = [a / b for a, b in zip(best("ddoq"), other, strict=True)]
            middle = statistics.median(ratios)
            print(f"against {what}: {middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _ours(run: Run) -> Draw:
    chosen = raw_decoder(run.recipe.decoder, run.recipe.prior)
    decoder = run.make("decoder", chosen)
    shape = run.autoencoder.latent_shape(run.channels, run.image_size)

    def draw(number: int) -> Tensor:
        places = torch.arange(number)
        labels = places % run.num_classes
        return decoder.decode(PointBlock(torch.zeros(number, *shape), labels, places))

    return draw


def _theirs(run: Run) -> Draw:
    own = raw_decoder(run.recipe.decoder, run.recipe.prior)
    if run.recipe.prior["name"] == "dit":
        return _pipeline(run, own)
    prior: Any = run.prior
    network, guidance = prior.network.model, own["guidance"]

    def draw(number: int) -> Tensor:
        scheduler = prior.schedule.scheduler(own["scheduler"])
        scheduler.set_timesteps(own["steps"])
        labels = prior.classes.labels(run.images.class_ids)[torch.arange(number) % run.num_classes]
        both = torch.cat([labels, torch.full_like(labels, prior.null_label)])
        x = torch.randn(number, *prior.shape) * scheduler.init_noise_sigma
        for time_ in scheduler.timesteps:
            seen = scheduler.scale_model_input(x, time_).to(network.dtype)
            output = network(torch.cat([seen, seen]), time_, class_labels=both).sample
            wanted, none = output.float().chunk(2)
            x = scheduler.step(none + guidance * (wanted - none), time_, x).prev_sample
        return x

    return draw


def _pipeline(run: Run, own: dict[str, Any]) -> Draw:
    from diffusers.pipelines.dit.pipeline_dit import DiTPipeline

    prior: Any = run.prior
    scheduler = prior.schedule.scheduler(own["scheduler"])
    pipeline = DiTPipeline(prior.network.model, run.autoencoder.model, scheduler)
    pipeline.set_progress_bar_config(disable=True)

    def draw(number: int) -> Tensor:
        labels = (torch.arange(number) % run.num_classes).tolist()
        made: Any = pipeline(
            labels,
            guidance_scale=own["guidance"],
            num_inference_steps=own["steps"],
            output_type="pt",
        )
        return made.images

    return draw


if __name__ == "__main__":
    command.run(main, sys.argv[1:])
