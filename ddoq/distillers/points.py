"""The points of a run: its study, its allocation and its quantization, each from the cache."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ddoq.data.encoding import LATENTS
from ddoq.data.latents import LatentStore
from ddoq.distillers.weighting import class_priors
from ddoq.errors import UsageError
from ddoq.files.stage import PRETRAIN, Stage
from ddoq.processes.world import World
from ddoq.quantize.allocation import AllocationRule, allocate
from ddoq.quantize.one_class import Shrinkage
from ddoq.quantize.quantization import Quantization
from ddoq.quantize.shrinkage import STRENGTHS, Towards
from ddoq.quantize.study import Study, chosen, grid, study
from ddoq.recipe.component import Block
from ddoq.size import Size

if TYPE_CHECKING:
    from ddoq.run import Run

STUDY = Stage("study", 3, (PRETRAIN, LATENTS))
QUANTIZATION = Stage("quantization", 4, (PRETRAIN, LATENTS, STUDY))
# What all that is made of points depends on.
OF_POINTS = (PRETRAIN, LATENTS, STUDY, QUANTIZATION)
# Classes that are solved together may take this much memory.
_GPU_BYTES, _CPU_BYTES = 8 * 2**30, 4 * 2**30
# The memory that a forked process takes beside its class.
_PROCESS_BYTES = 128 * 2**20


@dataclass(frozen=True)
class PointSettings:
    """All settings that determine the points."""

    solver: Block
    size: Size
    allocation: AllocationRule
    shrinkage: Towards
    strength: float | None
    class_prior: str
    folds: int
    studied_classes: int

    def __post_init__(self) -> None:
        if self.strength is not None and self.strength < 0:
            raise UsageError(f"distiller.strength={self.strength}", "it is at least 0")
        if self.strength is not None and self.shrinkage == "none":
            raise UsageError(
                f"distiller.strength={self.strength} has no effect without a shrinkage",
                "add distiller.shrinkage=directions, or mean",
            )
        if self.folds == 1 or self.folds < 0 or self.studied_classes < 1:
            raise UsageError(
                f"distiller.folds={self.folds}, studied_classes={self.studied_classes}",
                "folds are 0 (no study) or at least 2, studied_classes at least 1",
            )
        if self.folds == 0 and self.needs_study:
            raise UsageError(
                "distiller.folds=0, but a budget or a strength to be found needs held-out latents",
                "set distiller.folds=5, or give distiller.strength and no distiller.budget",
            )

    @property
    def needs_study(self) -> bool:
        """Whether the points themselves depend on held-out latents."""
        return self.size.is_budget or (self.shrinkage != "none" and self.strength is None)


class Points:
    """The points of one run and seed, with the study and the allocation behind them."""

    def __init__(self, settings: PointSettings, run: "Run", seed: int) -> None:
        self._settings, self._run, self._seed = settings, run, seed
        budget = settings.size.budget
        if budget is not None and budget < run.num_classes:
            raise UsageError(
                f"distiller.budget={budget}, but there are {run.num_classes} classes",
                "give at least one image per class",
            )

    @property
    def _mean_number(self) -> int:
        return self._settings.size.mean(self._run.num_classes)

    @property
    def has_study(self) -> bool:
        """Whether latents are held out to judge the points."""
        return self._settings.folds > 0

    @property
    def _strengths(self) -> list[float]:
        given = self._settings.strength
        return sorted({*STRENGTHS, *([given] if given is not None else [])})

    def study_key(self) -> dict[str, Any]:
        """Return the key of the study, which is the same for all seeds of a run."""
        s, run = self._settings, self._run
        return {
            "latents": run.latents_key,
            "solver": run.key("solver", s.solver),
            "num_points": grid(self._mean_number),
            "folds": s.folds,
            "strengths": self._strengths,
            "classes": "all" if s.size.is_budget else s.studied_classes,
            "seed": run.recipe.seed,
        }

    def key(self) -> dict[str, Any]:
        """Return the key of the points: everything that determines them."""
        s, run = self._settings, self._run
        key: dict[str, Any] = {
            "latents": run.latents_key,
            "solver": run.key("solver", s.solver),
            "images_per_class": s.size.per_class,
            # A GPU adds up in another order.
            "device": run.world.device.type,
            "shrinkage": [s.shrinkage, s.strength] if s.shrinkage != "none" else None,
            "seed": self._seed,
        }
        if s.size.is_budget:
            key |= {"budget": [s.size.budget, s.allocation, s.class_prior]}
        return key | ({"study": self.study_key()} if s.needs_study else {})

    @cached_property
    def study(self) -> Study | None:
        """The study of held-out latents, from the cache if it is finished."""
        s, run = self._settings, self._run
        if s.folds == 0:
            return None

        def work(folder: Path) -> None:
            counts = run.latents.counts
            most = len(counts) if s.size.is_budget else s.studied_classes
            labels = chosen(counts, most, folds=s.folds)
            with run.console.stage("study held-out latents", len(labels)) as bar:
                study(
                    run.latents,
                    run.make("solver", s.solver),
                    num_points=grid(self._mean_number),
                    labels=labels,
                    folds=s.folds,
                    strengths=self._strengths,
                    seed=run.recipe.seed,
                    work=folder,
                    world=run.world,
                    advance=bar.advance,
                )

        return Study.load(run.stage(STUDY, self.study_key(), work))

    @cached_property
    def shrinkage(self) -> Shrinkage:
        """How far the points are shrunk."""
        s = self._settings
        if s.shrinkage == "none":
            return Shrinkage()
        strength = s.strength
        if strength is None:
            assert self.study is not None
            strength = self.study.strength(s.shrinkage, self._mean_number)
        return Shrinkage(s.shrinkage, strength)

    @cached_property
    def numbers(self) -> list[int]:
        """The number of points of each class."""
        s, run = self._settings, self._run
        if s.size.budget is None:
            return [s.size.mean(run.num_classes)] * run.num_classes
        assert self.study is not None
        counts = run.latents.counts
        curves = self.study.curves(counts, s.shrinkage)
        priors = class_priors(torch.tensor(counts), s.class_prior)
        return allocate(curves, priors, counts, s.size.budget, rule=s.allocation)

    @cached_property
    def quantization(self) -> Quantization:
        """Points and masses, from the cache if they are finished."""
        s, run = self._settings, self._run

        def work(folder: Path) -> None:
            from ddoq.quantize.quantizer import quantize

            latents = run.latents
            numbers, shrinkage = self.numbers, self.shrinkage
            with run.console.stage("quantize", run.num_classes) as bar:
                quantize(
                    latents,
                    run.make("solver", s.solver),
                    num_points=numbers,
                    seed=self._seed,
                    trainer=run.trainer(precision="32-true"),
                    work=folder,
                    world=run.world,
                    shrinkage=shrinkage,
                    advance=bar.advance,
                    **at_once(latents, max(numbers), run.world),
                )

        return Quantization.load(run.stage(QUANTIZATION, self.key(), work))


def at_once(store: LatentStore, num_points: int, world: World) -> dict[str, int]:
    """Return how many classes to solve at once on a GPU, or side by side on a CPU's cores."""
    num, dim = max(store.counts), torch.Size(store.shape).numel()
    # Latents in half precision, padded and centered; the Gram matrix twice if classes are ragged.
    each = 4 * num * (3 * dim + 2 * num + 4 * num_points)
    if world.device.type == "cpu":
        most = _CPU_BYTES // (_PROCESS_BYTES + each)
        return {"processes": min(torch.get_num_threads(), max(1, most))}
    return {"batch": max(1, _GPU_BYTES // each)}
