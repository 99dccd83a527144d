"""The Lightning shell around a solver: classes are streamed, and each rank takes its share."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from ddoq import keyed
from ddoq.data.latents import LatentStore
from ddoq.data.streams import ClassLatents, Latents
from ddoq.errors import IntegrityError
from ddoq.files.tensors import write_tensors
from ddoq.processes.forks import side_by_side
from ddoq.processes.world import World
from ddoq.quantize.one_class import (
    NO_SHRINKAGE,
    Shrinkage,
    checked_points,
    finish_class,
    named,
    quantize_class,
    refuse_not_finite,
)
from ddoq.quantize.quantization import Quantization
from ddoq.quantize.solver import Batched, Solver, is_fork_safe, wants_its_counts

# A process costs as much to start as about three classes to solve. It needs at least so many
# classes, and is replaced by a new one after at most so many.
_LEAST_PER_PROCESS, _MOST_PER_PROCESS = 8, 32


class Quantizer(LightningModule):
    """Latents in, points and masses out, one class or a group of them per prediction step.

    A group is solved at once, or side by side in `processes`. Each class is written as soon as it
    is done, and `quantize` joins them.
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
        self._counts = wants_its_counts(solver)
        self.solver, self.num_points, self.seed = solver, num_points, seed
        self.shrinkage = shrinkage
        self._work = work

    def predict_step(self, batch: list[ClassLatents], batch_idx: int) -> list[int]:
        """Quantize one class, or several at once; return their labels."""
        if self._processes > 1:
            waiting = [c for c in batch if not part(self._work, c.label).exists()]
            done = side_by_side(self._one, waiting, processes=self._processes)
        elif len(batch) > 1 and isinstance(self.solver, Batched) and not self._counts:
            done = self._at_once(batch, self.solver)
        else:
            done = (self._one(c) for c in batch)
        with contextlib.closing(done):
            for _ in done:
                self._advance(self.trainer.world_size)
        return [c.label for c in batch]

    def _one(self, one: ClassLatents) -> int:
        # On the CPU, memory-mapped latents are read where they are.
        is_moved = isinstance(self.solver, Batched) and self.device.type != "cpu"
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

    def _at_once(self, batch: list[ClassLatents], solver: Batched) -> Generator[int]:
        """Solve classes of one number of points together."""
        groups: dict[int, list[ClassLatents]] = {}
        for one in batch:
            number = min(self.num_points[one.label], len(one.latents))
            groups.setdefault(number, []).append(one)
        for one in groups.pop(0, []):
            yield self._one(one)
        for number, same in groups.items():
            yield from self._group(same, number, solver)

    def _group(self, same: list[ClassLatents], number: int, solver: Batched) -> Generator[int]:
        latents = [c.latents.to(self.device) for c in same]
        flat = [z.flatten(1) for z in latents]
        for one, own in zip(same, flat, strict=True):
            with named(one.label):
                refuse_not_finite(own)
        generators = [self._generator(c.label) for c in same]
        solved = solver.several(flat, number, generators=generators)
        for one, own, points in zip(same, latents, solved, strict=True):
            points = checked_points(points, own.flatten(1), number, solver)
            asked = self.num_points[one.label]
            yield self._write(one.label, finish_class(own, points, asked, shrinkage=self.shrinkage))


def part(work: Path, label: int) -> Path:
    """Return the file that holds a class's result until all classes are done."""
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
    """Quantize every class of a store into `work`; classes that are done are not done again.

    A class with fewer latents than its number of points has each of them as a point. A `batch` of
    several classes pays only on a GPU. On the CPU of a single rank, `processes` solve classes side
    by side on one core each, without batches. `advance` is called with the number of classes done.
    """
    labels = range(len(store.counts))
    # One rank looks for all, as others may see new files only later.
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
    if world.is_first:
        _join([part(work, label) for label in labels], work)


def _join(parts: Sequence[Path], work: Path) -> None:
    Quantization.join(parts, work)
    for file in parts:
        file.unlink()


def _worthwhile(processes: int, num_classes: int, solver: Solver, world: World) -> int:
    """Return how many processes may be forked and would have enough to do."""
    # CUDA would not survive a fork.
    if not is_fork_safe(solver) or world.size > 1 or world.device.type != "cpu":
        return 1
    return max(1, min(processes, num_classes // _LEAST_PER_PROCESS))
