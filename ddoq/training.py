"""How is a module trained? With a guard, each rank its part, going on where it was stopped."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq import stop
from ddoq.callbacks.curve import Curve
from ddoq.callbacks.finite_guard import FiniteGuard
from ddoq.callbacks.progress import Progress
from ddoq.callbacks.resume import Resume
from ddoq.evaluation.protocols import Protocol
from ddoq.steps import Steps
from ddoq.students.feed import Feed
from ddoq.synthetic import SyntheticSet
from ddoq.world import World

if TYPE_CHECKING:
    from jaxtyping import Float
    from lightning import Callback, LightningModule, Trainer
    from torch import Tensor

    from ddoq.labels.table import LabelTable
    from ddoq.run import Run


@dataclass(frozen=True)
class Trained:
    """What is left of a training beside the module."""

    trainer: "Trainer"
    losses: "Float[Tensor, ' steps']"
    seconds_before: float
    """What calls that were stopped had taken."""


def train(
    run: "Run",
    module: "LightningModule",
    what: str,
    work: Path | None,
    *callbacks: "Callback",
    settings: Mapping[str, Any] | None = None,
    **data: Any,
) -> Trained:
    """Train a module once through its steps, by a Trainer with some further settings.

    In `work`, a stage's workspace, lies the state that a call which was killed had reached; there a
    signal ends the training after a step, with its state saved.
    """
    curve = Curve()
    resume = [Resume(work / "training.resume", run.world)] if work else []
    guard = FiniteGuard(what)
    watched = [guard, *callbacks, curve, *resume]
    trainer = run.trainer(max_epochs=1, callbacks=watched, **(settings or {}))
    # One rank looks for all.
    found = run.world.broadcast(resume[0].found if resume and run.world.is_first else None)
    with stop.deferred() if resume else contextlib.nullcontext():
        trainer.fit(module, ckpt_path=found, weights_only=True if found else None, **data)
    return Trained(trainer, curve.losses, resume[0].seconds_before if resume else 0.0)


def hard_protocol(part: str, **settings: Any) -> Protocol:
    """Return the protocol by which `pretrain` trains a part on labeled images."""
    chosen: dict[str, Any] = {"optimizer": "adamw", **settings}
    return Protocol(id=part, source="ddoq", labels="hard", loss="ce", **chosen)


def train_on_images(
    run: "Run", module: "LightningModule", protocol: Protocol, work: Path, **settings: Any
) -> Trained:
    """Train on all training images for the protocol's steps; settings are the Trainer's."""
    feed = feed_of(run, run.images.whole(), protocol, run.recipe.seed)
    name = f"{protocol.id}: {len(feed)} steps of {feed.batch_size} images"
    with run.console.stage(name, len(feed)) as bar:
        what = f"pretrain {protocol.id}"
        steps = Steps(feed.batch, len(feed))
        shown = Progress(bar)
        return train(run, module, what, work, shown, settings=settings, train_dataloaders=steps)


def feed_of(
    run: "Run",
    synthetic: SyntheticSet,
    protocol: Protocol,
    seed: int,
    labels: "LabelTable | None" = None,
    *,
    world: World | None = None,
) -> Feed:
    """Return the steps of a training on a set, as this rank of a world (the run's) sees them."""
    images, world = run.images, world or run.world
    return Feed(
        synthetic=synthetic,
        protocol=protocol,
        seed=seed,
        size=images.image_size,
        mean=images.mean,
        std=images.std,
        device=world.device,
        rank=world.rank,
        world_size=world.size,
        labels=labels,
    )
