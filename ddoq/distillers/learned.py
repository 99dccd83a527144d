"""Sets that are learned by gradient: the distiller that all methods of this family return."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from ddoq import keyed
from ddoq.data.images import Images
from ddoq.distillers.beginning import Begun, LearnedStart, WeightsOfStart, begin, refuse_changes
from ddoq.distillers.distiller import Distiller
from ddoq.errors import NotMade
from ddoq.files.stage import Planned, Stage
from ddoq.files.tensors import read_tensors, write_tensors
from ddoq.recipe.component import Block
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.settings import complete
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.matching.distillation import Distillation
    from ddoq.matching.draws import Imagined
    from ddoq.matching.network import FlatNetwork
    from ddoq.matching.parts import LoopParts, Parameterization
    from ddoq.run import Run

# A component's block or its name.
Component = dict[str, Any] | str

LEARNED = Stage("learned", 1)
_FILE = "learned.safetensors"
# The part of a loop, and the kind of component that it is.
_KINDS = {
    "objective": "set_objective",
    "viewpoint": "viewpoint",
    "parameterization": "parameterization",
    "sampler": "sampler",
}
_REMEDY = "lower the distiller's lr; what was saved is kept, and goes on if nothing is changed"
# What a recipe says of students' trainings is not meant for sets.
_PLAIN = {"gradient_clip_val": None, "precision": "32-true", "accumulate_grad_batches": 1}


class Learned(Distiller):
    """Learn images by gradient: one loop, whose parts are components (docs/learned.md).

    `student` is the network through which sets are compared, by default the recipe's first one. A
    `start` is any distiller, and gives as many images as there are to learn. Its weights count in
    the loss and stay those of the set; `weights=kept` leaves them out of the loss, and
    `weights=equal` out of both. `augmentation` has DSA's strategies: `_` joins those of which each
    step has one, `+` those applied in sequence.
    """

    learns = True

    def __init__(
        self,
        name: str = "learned",
        *,
        images_per_class: int = 10,
        steps: int = 1000,
        lr: float = 1.0,
        momentum: float = 0.5,
        batch_size: int = 256,
        start: Component = "random",
        student: Component | None = None,
        objective: Component = "feature_mean",
        viewpoint: Component = "fresh",
        parameterization: Component = "pixels",
        sampler: Component = "uniform",
        augmentation: str = "",
        siamese: bool = True,
        one_class_at_a_time: bool = False,
        weights: WeightsOfStart = "start",
        class_prior: Literal["uniform", "data"] = "uniform",
    ) -> None:
        self.name, self.size = name, Size(images_per_class)
        """What its sets say that they were made by, and their size."""
        given = {"viewpoint": viewpoint, "parameterization": parameterization}
        given |= {"objective": objective, "sampler": sampler}
        self._blocks = {k: complete(KINDS, _KINDS[k], v, place=k) for k, v in given.items()}
        self._start = complete(KINDS, "distiller", start, place="start", roles=("start",))
        self._student = None if student is None else complete(KINDS, "student", student)
        self._steps, self._class_prior = steps, class_prior
        self._weights: WeightsOfStart = weights
        self._augmentation: dict[str, Any] = {"strategies": augmentation, "is_siamese": siamese}
        self._descent: dict[str, Any] = {"lr": lr, "momentum": momentum, "batch_size": batch_size}
        self._descent["one_class_at_a_time"] = one_class_at_a_time

    def distill(self, images: Images, run: "Run", seed: int) -> SyntheticSet:
        """Return the set of a seed, learned if it is not in the cache."""
        self.refuse(run, seed)
        folder = run.stage(LEARNED, self.key(run, seed), lambda work: self._learn(work, run, seed))
        made = read_tensors(folder / _FILE)
        return SyntheticSet(
            *(made[name] for name in ("images", "labels", "weights")),
            class_names=images.class_names,
            class_ids=images.class_ids,
            space="image",
            hints=self.hints(run),
            provenance={
                "distiller": self.name,
                **self.size.key,
                "how": self._how(run),
                "start": self._start["name"],
                "seed": seed,
                "images": images.fingerprint,
                "licenses": run.licenses(self.parts(run)),
            },
        )

    def parts(self, run: "Run") -> list[str]:
        """Return the parts that the start is made with."""
        return self._start_of(run).made(run).parts(run)

    def hints(self, run: "Run") -> dict[str, Any]:
        """Return those of the parameterization, such as its tiles."""
        return self._parameterization(run).hints

    def stages(self, run: "Run", seed: int) -> list[Planned]:
        """Return the start's stages, and the learned set."""
        start = self._start_of(run).made(run).stages(run, seed)
        return [*start, Planned(LEARNED, self.key(run, seed))]

    def seconds(self, run: "Run") -> float:
        """Return about how long a set takes: a few steps are timed, from noise.

        That needs no stage, so a plan can say it, and a step takes as long from any other start.
        """
        from ddoq.matching.draws import Imagined

        start = self._start_of(run, {"name": "noise"}).made(run).distill(run.images, run, run.seed)
        real = Imagined(run.images, run.world.device)
        loop = self._loop(run, run.seed, self._begun(run, start), real)
        return self._steps * loop.to(run.world.device).seconds_of_step()

    def key(self, run: "Run", seed: int) -> dict[str, Any]:
        """Return what determines the set."""
        return {
            **self._how(run),
            **self._start_of(run).key(run, seed),
            "images": run.images.fingerprint,
            "seed": seed,
            # A GPU sums in another order.
            "device": run.world.device.type,
        }

    def _how(self, run: "Run") -> dict[str, Any]:
        """Return the loop's settings, with its components completed."""
        parts = {k: run.key(_KINDS[k], block) for k, block in self._blocks.items()}
        settings = {**self._descent, **self._augmentation, "steps": self._steps}
        student = run.key("student", self._seen_through(run))
        return {**settings, **parts, "student": student, "weights": self._weights}

    def _seen_through(self, run: "Run") -> Block:
        return self._student or run.recipe.students[0]

    def _start_of(self, run: "Run", block: Block | None = None) -> LearnedStart:
        number = (self.size.images_per_class or 1) * self._parameterization(run).views
        return LearnedStart(block or self._start, number, self._class_prior)

    def _parameterization(self, run: "Run") -> "Parameterization":
        block, preprocessing = self._blocks["parameterization"], run.images.preprocessing
        return run.make("parameterization", block, preprocessing=preprocessing)

    def _network(self, run: "Run") -> "FlatNetwork":
        from ddoq.matching.network import FlatNetwork

        block = self._seen_through(run)
        name, device = f"student {block['name']}", run.world.device
        return FlatNetwork(lambda: run.make("student", block), name=name, device=device)

    def refuse(self, run: "Run", seed: int) -> None:
        """Refuse what cannot be learned, before any work."""
        from ddoq.matching.draws import Augmentation

        if run.is_done(LEARNED, self.key(run, seed)):
            return
        Augmentation(**self._augmentation, seed=seed)
        refuse_changes(run.images, self._augmentation["strategies"])
        parts = self._made(run, seed, network := self._network(run))
        takes_apart = getattr(parts.objective, "takes_classes_apart", False)
        if takes_apart or self._descent["one_class_at_a_time"]:
            network.refuse_batch_statistics()
        self._start_of(run).refuse(run, self._weights)
        start = self._start_of(run).made(run)
        # A start without stages costs little. A plan decodes no images.
        if not start.stages(run, seed):
            with contextlib.suppress(NotMade):
                self._begun(run, start.distill(run.images, run, seed))

    def _made(self, run: "Run", seed: int, network: "FlatNetwork") -> "LoopParts":
        from ddoq.matching.parts import LoopParts

        given = {"network": network, "seed": seed, "num_steps": self._steps}
        given |= {"num_images": len(run.images.train)}
        names = "objective", "viewpoint", "sampler"
        made = {k: run.make(_KINDS[k], self._blocks[k], **given) for k in names}
        return LoopParts(**made, parameterization=self._parameterization(run))

    def _begun(self, run: "Run", start: SyntheticSet) -> Begun:
        """Return what the set starts from."""
        views, prior = self._parameterization(run).views, self._class_prior
        return begin(start, run.images, self.size, views, weights=self._weights, class_prior=prior)

    def _learn(self, work: Path, run: "Run", seed: int) -> None:
        from ddoq.training.loop import train
        from ddoq.training.losses import write_losses
        from ddoq.training.progress import Progress
        from ddoq.training.steps import Steps

        begun = self._begun(run, self._start_of(run).made(run).distill(run.images, run, seed))
        loop = self._loop(run, seed, begun)
        # For networks that draw numbers themselves, as dropout does.
        torch.manual_seed(keyed.seed_of("learned", seed))
        what, batches = f"learn ({self.name})", Steps(int, self._steps)
        with run.console.stage(what, self._steps) as bar:
            how: dict[str, Any] = {"settings": _PLAIN, "remedy": _REMEDY}
            trained = train(run, loop, what, work, Progress(bar), **how, train_dataloaders=batches)
        if run.world.is_first:
            images = loop.parameterization.finish(loop.leaves).cpu()
            told = {"labels": begun.labels, "weights": begun.weights.float()}
            write_tensors(work / _FILE, {"images": images, **told})
            write_losses(work, trained.losses)

    def loop(self, run: "Run", seed: int) -> "Distillation":
        """Return the loop of a seed, before its first step."""
        start = self._start_of(run).made(run).distill(run.images, run, seed)
        return self._loop(run, seed, self._begun(run, start))

    def _loop(
        self, run: "Run", seed: int, begun: Begun, real: "Imagined | None" = None
    ) -> "Distillation":
        from ddoq.matching.distillation import Descent, Distillation
        from ddoq.matching.draws import Augmentation, RealDraws, Seen

        parts = self._made(run, seed, network := self._network(run))
        augmentation = Augmentation(**self._augmentation, seed=seed)
        return Distillation(
            network,
            parts,
            begun=parts.parameterization.begin(begun.images),
            labels=begun.labels,
            weights=begun.counted,
            draws=RealDraws(real or Seen(run.images, run.world.device), augmentation, seed),
            augmentation=augmentation,
            descent=Descent(**self._descent),
        )
