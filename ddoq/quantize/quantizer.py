"""The shell around a solver: Lightning streams the classes, each rank takes its share."""

import contextlib
import warnings
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from ddoq import keyed
from ddoq.data.latents import LatentStore
from ddoq.data.streams import ClassLatents, Latents
from ddoq.errors import IntegrityError
from ddoq.files.artifacts import write_tensors
from ddoq.processes.forks import side_by_side
from ddoq.processes.world import World
from ddoq.quantize.cell import (
    NO_SHRINKAGE,
    Shrinkage,
    finish_class,
    named,
    quantize_class,
    refuse_not_finite,
)
from ddoq.quantize.lloyd import Lloyd
from ddoq.quantize.quantization import Quantization
from ddoq.quantize.solver import Solver

# Starting a process costs as much as about three classes; after so many it is started anew.
_LEAST_PER_PROCESS, _MOST_PER_PROCESS = 8, 32


class Quantizer(LightningModule):
    """Latents in, points and masses out, one class or a group of them per prediction step.

    A group is solved at once, or side by side in `processes`. Each class is written as soon as it
    is done; `quantize` puts them together.
    """

    def __init__(
        self,
        solver: Solver,
        *,
        num_points: Sequence[int],
        seed: int,
        work: Path,
        shrinkage: Shrinkage = NO_SHRINKAGE,
        processes: int = 1,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self._processes, self._advance = processes, advance
        self.solver, self.num_points, self.seed = solver, num_points, seed
        self.shrinkage = shrinkage
        self._work = work

    def predict_step(self, batch: list[ClassLatents], batch_idx: int) -> list[int]:
        """Quantize one class, or several at once; return their labels."""
        if self._processes > 1:
            waiting = [c for c in batch if not part(self._work, c.label).exists()]
            done = side_by_side(self._one, waiting, processes=self._processes)
        elif len(batch) > 1 and isinstance(self.solver, Lloyd):
            done = self._at_once(batch, self.solver)
        else:
            done = (self._one(c) for c in batch)
        with contextlib.closing(done):
            for _ in done:
                self._advance(self.trainer.world_size)
        return [c.label for c in batch]

    def _one(self, one: ClassLatents) -> int:
        # The other solvers work on the CPU, where mapped latents are read where they lie.
        is_moved = isinstance(self.solver, Lloyd) and self.device.type != "cpu"
        with named(one.label):
            result = quantize_class(
                one.latents.to(self.device) if is_moved else one.latents,
                self.solver,
                self.num_points[one.label],
                generator=self._generator(one.label),
                shrinkage=self.shrinkage,
            )
        return self._write(one.label, result)

    def _write(self, label: int, result: dict[str, Tensor]) -> int:
        if not bool(result["points"].isfinite().all()):
            raise IntegrityError(
                f"quantize: class {label} has points that are not finite",
                "a solver must return finite points for finite latents",
            )
        labels = torch.full_like(result["counts"], label)
        write_tensors(part(self._work, label), {**result, "labels": labels})
        return label

    def _generator(self, label: int) -> torch.Generator:
        return keyed.generator("quantize", self.seed, label)

    def _at_once(self, batch: list[ClassLatents], solver: Lloyd) -> Generator[int]:
        """Solve classes of one number of points together: what keeps a GPU busy."""
        for number in sorted({self.num_points[c.label] for c in batch}):
            same = [c for c in batch if self.num_points[c.label] == number]
            latents = [c.latents.to(self.device) for c in same]
            for c, own in zip(same, latents, strict=True):
                with named(c.label):
                    refuse_not_finite(own.flatten(1))
            generators = [self._generator(c.label) for c in same]
            solved = solver.several([z.flatten(1) for z in latents], number, generators=generators)
            for one, own, points in zip(same, latents, solved, strict=True):
                result = finish_class(own, points, number, shrinkage=self.shrinkage)
                yield self._write(one.label, result)


def part(work: Path, label: int) -> Path:
    """Return where a class's result waits until all classes are done."""
    return work / f"class-{label:05d}.safetensors"


def quantize(
    store: LatentStore,
    solver: Solver,
    *,
    num_points: Sequence[int],
    seed: int,
    trainer: Trainer,
    work: Path,
    world: World,
    shrinkage: Shrinkage = NO_SHRINKAGE,
    batch: int = 1,
    processes: int = 1,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Quantize every class of a store into `work`, going on where an earlier call stopped.

    Args:
        store: The latents.
        solver: Finds the points of a class.
        num_points: One number per class.
        seed: Of everything that the solver draws.
        trainer: A Lightning Trainer.
        work: The folder to write to.
        world: The ranks.
        shrinkage: What is done to the solver's points.
        batch: Classes that are solved at once; more than one only pays on a GPU.
        processes: On the CPU of a single rank, classes that are solved side by side, each on one
            core. Then there is no batch.
        advance: Called with the number of classes that were done.
    """
    labels = range(len(store.counts))
    # One rank looks for all: files may show on others later.
    done = world.broadcast([c for c in labels if part(work, c).exists()])
    processes = _worthwhile(processes, len(labels), solver, world)
    quantizer = Quantizer(
        solver,
        num_points=num_points,
        seed=seed,
        work=work,
        shrinkage=shrinkage,
        processes=processes,
        advance=advance,
    )
    if len(done) < len(labels):
        group = batch if processes == 1 else processes * _MOST_PER_PROCESS
        latents = Latents(store, skip=done, group=group)
        trainer.predict(quantizer, datamodule=latents, return_predictions=False)
    world.barrier()
    if not world.is_first:
        return
    Quantization.join([part(work, c) for c in labels], work)
    for label in labels:
        part(work, label).unlink()
    short = [c for c, n in enumerate(store.counts) if n < num_points[c]]
    if short:
        warnings.warn(
            f"{len(short)} classes have fewer images than points were asked for; "
            "each of their images became a point",
            stacklevel=2,
        )


def _worthwhile(processes: int, num_classes: int, solver: Solver, world: World) -> int:
    """Return how many processes may be forked, and have enough to do."""
    # The threads of faiss and of what scikit-learn calls may not survive a fork, nor would CUDA.
    if not isinstance(solver, Lloyd) or world.size > 1 or world.device.type != "cpu":
        return 1
    return max(1, min(processes, num_classes // _LEAST_PER_PROCESS))
