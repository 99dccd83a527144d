"""Where a run takes place: its ranks, cache, console, folder and trainer.

Nothing here knows of images or networks.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.display.console import Console
from ddoq.errors import NotMade
from ddoq.files.cache import Cache, StageRecord
from ddoq.files.license import licenses_of
from ddoq.files.outputs import RUN_LOG
from ddoq.files.stage import Stage
from ddoq.processes.memory import keep_freed
from ddoq.processes.world import World, launch
from ddoq.recipe import Recipe
from ddoq.run.refusals import refuse_places
from ddoq.run.revisions import pinned
from ddoq.run.trainers import WITHOUT_EFFECT, new_trainer, refuse_trainer, silence

if TYPE_CHECKING:
    from lightning import Trainer

# Strategies of several ranks that are plain DDP.
_SUMMING = ("auto", "ddp")


class Site:
    """The place of one recipe's run. It runs stages and records their costs."""

    def __init__(
        self,
        recipe: Recipe,
        console: Console | None = None,
        *,
        pretrain_ranks: int | None = None,
        makes: bool = True,
        strategy: str | None = None,
    ) -> None:
        refuse_places(cache=recipe.cache, out=recipe.out)
        silence()
        keep_freed()
        _set_threads(recipe.threads)
        self.recipe, self.makes = recipe, makes
        """`makes`: whether stages may be made that are not there. A plan makes none."""
        self.world: World = launch(recipe.trainer)
        refuse_trainer(self.world, recipe.trainer)
        self.pretrain_ranks = pretrain_ranks or self.world.size
        """How many ranks train what `pretrain` makes: more than `world.size` in a rank's worker."""
        self.strategy: str = strategy or {**recipe.trainer, **self.world.settings}.get(
            "strategy", "auto"
        )
        """How those ranks share a training."""
        self.console = console or Console(is_silent=not self.world.is_first)
        self.records: list[StageRecord] = []
        self.cache = Cache(
            Path(recipe.cache),
            self.world,
            on_start=lambda stage: self.console.log({"event": "start", "stage": stage}),
            on_finish=self.remember,
        )
        self.pin()

    @property
    def seed(self) -> int:
        """The recipe's seed, for what is trained, studied and encoded once for all sets."""
        return self.recipe.seed

    def pin(self, parts: Iterable[str] = ()) -> None:
        """Replace names that move on the Hub by commits, in these parts and wherever one is known.

        From then on every key, and the saved recipe, holds the commit.
        """
        for part, name, commit in pinned(self.recipe, set(parts)):
            self.console.say(f"{part}: {name} is commit {commit}")

    def licenses(self, parts: Iterable[str]) -> dict[str, str]:
        """Return the licenses of the published weights of some parts."""
        return licenses_of({part: getattr(self.recipe, part) for part in parts})

    def remember(self, *records: StageRecord) -> None:
        """Record the outcome of stages."""
        for record in records:
            self.records.append(record)
            self.console.log({"event": "finish", **asdict(record)})

    def open_folder(self, digest: str) -> Path:
        """Make the run's folder, the same on every rank, and save the recipe in it."""
        folder = self.recipe.folder(digest)
        if self.world.is_first:
            folder.mkdir(parents=True, exist_ok=True)
            # The log comes first: it marks a folder as that of a run.
            self.console.open_log(folder / RUN_LOG)
            self.console.log({"event": "open", "recipe": self.recipe.name})
            self.recipe.save(folder / "recipe.yaml")
        self.world.barrier()
        return folder

    def stage(
        self, stage: Stage | str, key: Mapping[str, Any], work: Callable[[Path], None]
    ) -> Path:
        """Return the folder of a finished stage. If it is not there yet, `work` makes it.

        A plug-in gives a name alone, without a version, as its code is in the key.
        """
        stage = _stage(stage)
        if not (self.makes or self.is_done(stage, key)):
            raise NotMade
        return self.cache.stage(stage.name, stage.versioned(key), work)

    def is_done(self, stage: Stage | str, key: Mapping[str, Any]) -> bool:
        """Say whether a stage is in the cache."""
        stage = _stage(stage)
        return self.cache.has(stage.name, stage.versioned(key))

    def made_seconds(self, stage: Stage | str, key: Mapping[str, Any]) -> float | None:
        """Return how long a stage took, whenever that was; None if it is not there, or mum."""
        stage = _stage(stage)
        return self.cache.made_seconds(stage.name, stage.versioned(key))

    def place(self, stage: Stage | str, key: Mapping[str, Any]) -> Path:
        """Return where a stage's result lies, or will lie."""
        stage = _stage(stage)
        return self.cache.place(stage.name, stage.versioned(key))

    @property
    def trains_apart(self) -> bool:
        """Whether the ranks share the students, instead of every student's steps."""
        return self.recipe.evaluation.spread == "ranks" and self.world.size > 1

    @property
    def student_world(self) -> World:
        """The ranks that share a student's training."""
        return self.world.alone() if self.trains_apart else self.world

    @property
    def student_key(self) -> dict[str, Any]:
        """Return what affects a student's training, apart from its own settings."""
        return self.training_key(self.student_world.size)

    def training_key(self, ranks: int) -> dict[str, Any]:
        """Return a training's key. It has the number of ranks, which changes the order of sums.

        It also has the strategy, unless that is plain DDP.
        """
        trainer = self.recipe.trainer
        settings = {k: v for k, v in trainer.items() if k not in WITHOUT_EFFECT}
        if ranks > 1 and self.strategy not in _SUMMING:
            settings["strategy"] = self.strategy
        return {"ranks": ranks, "device": self.world.device.type, **settings}

    def trainer(self, **settings: Any) -> "Trainer":
        """Return a Lightning Trainer with the settings of the recipe's `trainer:` block."""
        return new_trainer(self.world, self.recipe.trainer, settings)


def _stage(stage: Stage | str) -> Stage:
    return Stage(stage) if isinstance(stage, str) else stage


def _set_threads(threads: int | None) -> None:
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
