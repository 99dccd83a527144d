"""The shell around a solver: Lightning streams the classes, each rank takes its share."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from ddoq import keyed
from ddoq.artifacts import read_tensors, write_tensors
from ddoq.data.latents import ClassLatents, Latents, LatentStore
from ddoq.errors import IntegrityError
from ddoq.quantize import functional
from ddoq.quantize.quantization import Quantization
from ddoq.world import World

_CHUNK = 8192


@runtime_checkable
@runtime_checkable
class Solver(Protocol):
    """Finds points for the latents of one class."""

    def __call__(self, latents: Tensor, num_points: int, *, generator: torch.Generator) -> Tensor:
        """Return at most `num_points` points for latents `[n, dim]` of any float type."""
        ...


def quantize_class(
    latents: Tensor, solver: Solver, num_points: int, *, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return a class's points, the counts of their cells and the distortion.

    The counts come from one full assignment after the solver is done, so that the masses are
    those of the final cells. A point whose cell is empty stands for nothing and is dropped.
    """
    flat = latents.flatten(1)
    if len(flat) == 0:
        empty = torch.zeros(0, *latents.shape[1:])
        zero = torch.zeros(1, dtype=torch.float64)
        return {"points": empty, "counts": torch.zeros(0, dtype=torch.int64), "distortion": zero}
    points = solver(flat, min(num_points, len(flat)), generator=generator)
    counts = torch.zeros(len(points), dtype=torch.int64)
    total = torch.zeros(1, dtype=torch.float64)
    center = points.mean(0)
    for chunk in flat.split(_CHUNK):
        nearest, squares = functional.assign(chunk.float() - center, points - center)
        counts += torch.bincount(nearest, minlength=len(points))
        total += squares.double().sum()
    kept = counts > 0
    points = points[kept].reshape(-1, *latents.shape[1:])
    return {"points": points, "counts": counts[kept], "distortion": total / len(flat)}


class Quantizer(LightningModule):
    """Latents in, points and masses out, one class per prediction step.

    Each class is written as soon as it is done; `quantize` puts them together.
    """

    def __init__(
        self,
        solver: Solver,
        *,
        images_per_class: int,
        seed: int,
        work: Path,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self._advance = advance
        self.solver, self.images_per_class, self.seed = solver, images_per_class, seed
        self._work = work

    def predict_step(self, batch: ClassLatents, batch_idx: int) -> dict[str, Tensor]:
        """Quantize one class."""
        generator = keyed.generator("quantize", self.seed, batch.label)
        result = quantize_class(
            batch.latents, self.solver, self.images_per_class, generator=generator
        )
        if not bool(result["points"].isfinite().all()):
            raise IntegrityError(
                f"quantize: class {batch.label} has points that are not finite",
                "check the latents for infinities; float16 overflows above 65504",
            )
        write_tensors(part(self._work, batch.label), result)
        self._advance(self.trainer.world_size)
        return result


def part(work: Path, label: int) -> Path:
    """Return where a class's result waits until all classes are done."""
    return work / f"class-{label:05d}.safetensors"


def quantize(
    store: LatentStore,
    solver: Solver,
    *,
    images_per_class: int,
    seed: int,
    trainer: Trainer,
    work: Path,
    world: World,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Quantize every class of a store into `work`, going on where an earlier call stopped."""
    labels = range(len(store.counts))
    done = [c for c in labels if part(work, c).exists()]
    world.barrier()
    quantizer = Quantizer(
        solver, images_per_class=images_per_class, seed=seed, work=work, advance=advance
    )
    if len(done) < len(labels):
        trainer.predict(quantizer, datamodule=Latents(store, skip=done), return_predictions=False)
    world.barrier()
    if world.is_first:
        parts = [read_tensors(part(work, c)) for c in labels]
        together(parts).save(work)
        for label in labels:
            part(work, label).unlink()
    short = [c for c, n in enumerate(store.counts) if n < images_per_class]
    if short and world.is_first:
        warnings.warn(
            f"{len(short)} classes have fewer than {images_per_class} images; "
            "each of their images became a point",
            stacklevel=2,
        )


def together(parts: list[dict[str, Tensor]]) -> Quantization:
    """Put the classes' results together, in the order of the classes."""
    sizes = torch.tensor([len(p["counts"]) for p in parts])
    return Quantization(
        points=torch.cat([p["points"] for p in parts]),
        labels=torch.repeat_interleave(torch.arange(len(parts)), sizes),
        counts=torch.cat([p["counts"] for p in parts]),
        distortions=torch.cat([p["distortion"] for p in parts]),
    )
