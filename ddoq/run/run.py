"""A run: its ranks, cache and trainer, and the components made so far.

Everything is made when it is first needed, so a finished run loads next to nothing.
"""

import copy
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.data.encoding import LATENTS
from ddoq.display.console import Console
from ddoq.files.artifacts import fingerprint
from ddoq.files.cache import Cache, StageRecord
from ddoq.files.license import licenses_of
from ddoq.files.outputs import RUN_LOG
from ddoq.files.stage import Planned, Stage
from ddoq.processes.memory import keep_freed
from ddoq.processes.world import World, launch
from ddoq.recipe import Recipe
from ddoq.recipe.component import Block, build, is_code, kind_of
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.signature import signature
from ddoq.run import pretraining
from ddoq.run.keys import component_key
from ddoq.run.refusals import refuse_places, refuse_resizing
from ddoq.run.revisions import pinned
from ddoq.run.sources import weights_fingerprint
from ddoq.run.trainers import WITHOUT_EFFECT, new_trainer, refuse_trainer, silence

if TYPE_CHECKING:
    from lightning import Trainer

    from ddoq.data.images import Images
    from ddoq.data.latents import LatentStore
    from ddoq.data.preprocessing import ZCA
    from ddoq.decoders.inverted import Inversion
    from ddoq.teachers.teacher import Teacher


# The names by which a component's constructor may ask for parts of a run.
_NOUNS = (
    "autoencoder",
    "channels",
    "image_size",
    "images",
    "latents",
    "make",
    "num_classes",
    "prior",
    "seed",
    "teacher",
)

# Strategies of several ranks that are plain DDP.
_SUMMING = ("auto", "ddp")


class Run:
    """The run of one recipe. It makes components, runs stages and records their costs."""

    whole: "Run"
    """The run that this one was narrowed from, with all training images; else itself."""
    inversion: "Inversion | None"
    """How far latents are carried back along the prior's ODE, if points are found there."""
    clean: "Run"
    """The run whose latents are not carried back; else itself."""

    def __init__(
        self,
        recipe: Recipe,
        console: Console | None = None,
        *,
        pretrain_ranks: int | None = None,
        measures: bool = True,
        strategy: str | None = None,
    ) -> None:
        refuse_places(cache=recipe.cache, out=recipe.out)
        silence()
        keep_freed()
        _set_threads(recipe.threads)
        self.recipe = recipe
        self.whole = self.clean = self
        self.world: World = launch(recipe.trainer)
        self.inversion = None
        self.decodes = self.measures = measures
        """Whether this run may decode images. A plan does not."""
        refuse_trainer(self.world, recipe.trainer)
        self.pretrain_ranks = pretrain_ranks or self.world.size
        """How many ranks train what `pretrain` makes: more than `world.size` in a rank's worker."""
        self.strategy: str = strategy or {**recipe.trainer, **self.world.settings}.get(
            "strategy", "auto"
        )
        """How those ranks share a training."""
        self.console = console or Console(is_silent=not self.world.is_first)
        self.records: list[StageRecord] = []
        self._weights: dict[str, str] = {}
        self._teachers: dict[str, Teacher] = {}
        self.cache = Cache(
            Path(recipe.cache),
            self.world,
            on_start=lambda stage: self.console.log({"event": "start", "stage": stage}),
            on_finish=self.remember,
        )

        self.pin()

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
        return self.cache.stage(stage.name, stage.versioned(key), work)

    def is_done(self, stage: Stage | str, key: Mapping[str, Any]) -> bool:
        """Say whether a stage is in the cache."""
        stage = _stage(stage)
        return self.cache.has(stage.name, stage.versioned(key))

    def place(self, stage: Stage | str, key: Mapping[str, Any]) -> Path:
        """Return where a stage's result lies, or will lie."""
        stage = _stage(stage)
        return self.cache.place(stage.name, stage.versioned(key))

    def key(self, kind: str, block: Block | None = None) -> dict[str, Any]:
        """Return what determines a component: its settings, weights and plugged-in source."""
        return component_key(kind, block or getattr(self.recipe, kind), self._weights_key)

    def _weights_key(self, kind: str, block: Block) -> Any:
        if block["source"] == "pretrain":
            return self.pretrain_key(kind)
        name = fingerprint([kind, block])
        if name not in self._weights:
            self._weights[name] = weights_fingerprint(kind, block)
        return self._weights[name]

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

    def pretrain_key(self, part: str) -> dict[str, Any]:
        """Return what determines the weights that `pretrain` makes."""
        return pretraining.pretrain_key(self, part)

    def pretrained(self, part: str) -> Path:
        """Return the folder of trained weights, training them first if need be."""
        return pretraining.pretrained(self, part)

    def make(self, kind: str, block: Block | None = None, **supplied: Any) -> Any:
        """Make a component. If the recipe says `pretrain`, its weights are trained first."""
        block = dict(block or getattr(self.recipe, kind))
        if block.get("source") == "pretrain":
            block["source"] = str(self.pretrained(kind))
        for noun in self.asks_for(kind, block):
            if noun not in supplied and noun in _NOUNS:
                supplied[noun] = getattr(self, noun)
        return build(KINDS, kind, block, **supplied)

    def asks_for(self, kind: str, block: Block) -> list[str]:
        """Return the parts of this run that a component's constructor asks for by name."""
        named = signature(KINDS[kind].target(kind, block["name"])).parameters
        return [noun for noun in KINDS[kind].supplies if noun in named]

    def reads(self, kind: str, block: Block) -> set[str]:
        """Return the parts of this run that a component and those within it ask for."""
        inner = {k: kind_of(KINDS, kind, k) for k, v in block.items() if isinstance(v, dict)}
        within = [self.reads(of, block[k]) for k, of in inner.items() if of is not None]
        return set(self.asks_for(kind, block)).union(*within)

    @property
    def seed(self) -> int:
        """The recipe's seed, for what is trained, studied and encoded once for all sets."""
        return self.recipe.seed

    def narrowed(self, images: "Images") -> "Run":
        """Return this run with other training images, such as some of its own (`Images.select`).

        What is pretrained stays that of all images. Latents and sets are those of the new ones.
        """
        part = copy.copy(self)
        part.__dict__.pop("latents", None)
        part.__dict__["images"] = images
        return part

    @functools.cached_property
    def images(self) -> "Images":
        """The real images."""
        from ddoq.run.images import open_images

        return open_images(self)

    @functools.cached_property
    def autoencoder(self) -> Any:
        """The autoencoder, on this rank's device."""
        return self.make("autoencoder").to(self.world.device)

    @functools.cached_property
    def prior(self) -> Any:
        """The generative model, on this rank's device."""
        return self.make("prior").to(self.world.device)

    @property
    def teacher(self) -> "Teacher":
        """The recipe's teacher."""
        return self.teacher_of(None)

    def teacher_of(self, block: Block | None) -> "Teacher":
        """Return a teacher of this run's classes, on this rank's device; None for the recipe's."""
        block = block or self.recipe.teacher
        key = fingerprint(block)
        if key not in self._teachers:
            teacher = self.make("teacher", block).for_classes(self.images.class_ids)
            refuse_resizing(teacher, self.images)
            if is_code(block["name"]):
                self.try_own(teacher, block["name"])
            self._teachers[key] = teacher.to(self.world.device)
        return self._teachers[key]

    def try_own(self, net: Any, target: str) -> None:
        """Refuse a user's own network that does not return one logit per class for these images."""
        from ddoq.students.trial import try_logits

        shape = self.channels, self.image_size, self.image_size
        try_logits(net, target, shape, self.num_classes)

    def release(self) -> None:
        """Drop the networks that lie on a GPU. They are made again when they are needed."""
        if self.world.device.type != "cuda":
            return
        import torch

        for noun in ("autoencoder", "prior"):
            self.__dict__.pop(noun, None)
        self._teachers.clear()
        torch.cuda.empty_cache()

    @property
    def num_classes(self) -> int:
        """The number of classes of the images."""
        return self.images.num_classes

    @property
    def channels(self) -> int:
        """The number of channels of the images."""
        return self.images.channels

    @property
    def image_size(self) -> int:
        """The side of the images in pixels."""
        return self.images.image_size

    @property
    def latents_key(self) -> dict[str, Any]:
        """What determines the latents."""
        key: dict[str, Any] = {
            "images": self.images.fingerprint,
            "autoencoder": self.key("autoencoder"),
            # A GPU sums in another order.
            "device": self.world.device.type,
        }
        if self.recipe.autoencoder.get("samples", False):
            key["seed"] = self.recipe.seed
        if self.inversion is not None:
            key |= {"inversion": self.inversion.key, "prior": self.key("prior")}
        return key

    @property
    def planned_latents(self) -> Planned:
        """The latents, for a plan."""
        number = len(self.images.train)
        if self.inversion is None:
            return Planned(LATENTS, self.latents_key, needs=f"encode {number} images")
        from ddoq.decoders.inverted import INVERTED

        return Planned(INVERTED, self.latents_key, needs=f"invert {number} latents")

    @functools.cached_property
    def latents(self) -> "LatentStore":
        """The latents of the training images."""
        from ddoq.run.latents import open_latents

        return open_latents(self)

    @functools.cached_property
    def whitening(self) -> "ZCA":
        """The ZCA whitening of all training images."""
        from ddoq.run.whitening import open_whitening

        return open_whitening(self)

    def inverting(self, inversion: "Inversion") -> "Run":
        """Return this run with latents that are carried back along the prior's ODE."""
        part = copy.copy(self)
        part.__dict__.pop("latents", None)
        part.inversion = inversion
        part.clean = self
        return part

    def trainer(self, **settings: Any) -> "Trainer":
        """Return a Lightning Trainer with the settings of the recipe's `trainer:` block."""
        return new_trainer(self.world, self.recipe.trainer, settings)


def _stage(stage: Stage | str) -> Stage:
    return Stage(stage) if isinstance(stage, str) else stage


def _set_threads(threads: int | None) -> None:
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
