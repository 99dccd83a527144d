"""The steps of a training on one set, and trainings on real images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.data.preprocessing import Preprocessing, Unchanged
from ddoq.processes.world import World
from ddoq.protocols.consistency import refuse_modality
from ddoq.protocols.protocol import Protocol
from ddoq.students.feed import Feed
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from lightning import LightningModule

    from ddoq.labels.table import LabelTable
    from ddoq.run import Run
    from ddoq.training.loop import Trained


def hard_protocol(part: str, **settings: Any) -> Protocol:
    """Return the protocol with which `pretrain` trains a part on labeled images."""
    chosen: dict[str, Any] = {"optimizer": "adamw", **settings}
    return Protocol(id=part, source="ddoq", labels="hard", loss="ce", **chosen)


def train_on_images(
    run: "Run", module: "LightningModule", protocol: Protocol, work: Path, **settings: Any
) -> "Trained":
    """Train on all training images for the protocol's steps. `settings` go to the Trainer."""
    from ddoq.training.loop import train
    from ddoq.training.progress import Progress
    from ddoq.training.steps import Steps

    feed = feed_of(run, run.images.whole(), protocol, run.recipe.seed)
    name = f"{protocol.id}: {len(feed)} steps of {feed.batch_size} images"
    with run.console.stage(name, len(feed)) as bar:
        what = f"pretrain {protocol.id}"
        steps = Steps(feed.batch, len(feed))
        shown = Progress(bar)
        return train(run, module, what, work, shown, settings=settings, train_dataloaders=steps)


def preprocessing_of(run: "Run", protocol: Protocol) -> Preprocessing:
    """Return what a protocol's students do to images first: nothing if these are whitened."""
    return Unchanged() if protocol.whiten == "zca" else run.images.preprocessing


def feed_of(
    run: "Run",
    synthetic: SyntheticSet,
    protocol: Protocol,
    seed: int,
    labels: "LabelTable | None" = None,
    *,
    world: World | None = None,
) -> Feed:
    """Return this rank's steps of a training on a set. The world is the run's by default."""
    images, world = run.images, world or run.world
    refuse_modality(protocol, images.modality)
    return Feed(
        synthetic=synthetic,
        protocol=protocol,
        seed=seed,
        size=images.image_size,
        preprocessing=preprocessing_of(run, protocol),
        whitening=run.whitening if protocol.whiten == "zca" else None,
        device=world.device,
        rank=world.rank,
        world_size=world.size,
        labels=labels,
    )
