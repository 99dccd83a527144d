"""One training of a grid: a set, a student, a protocol, a seed, and the labeled images."""

import contextlib
import dataclasses
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ddoq.data.whitening import WHITENING, whitening_key
from ddoq.files.artifacts import versions
from ddoq.files.stage import Stage
from ddoq.protocols.protocol import Protocol
from ddoq.recipe.component import Block
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.labels.table import LabelTable
    from ddoq.run import Run
    from ddoq.students.feed import Feed

TRAINING = Stage("training", 5)
_LABELS = Stage("labels", 3)
# Labels that several students share are stored up to this size, unless the recipe decides.
_TABLE_BYTES = 64 * 2**20
# Labeling more images than this takes a while, so its progress is shown.
_MANY = 100_000


@dataclass(frozen=True)
class Training:
    """One training of a grid."""

    synthetic: SyntheticSet
    student: Block
    wanted: Protocol
    seed: int
    teacher: Block | None = None
    """The teacher that gives soft labels; None for the recipe's own."""

    @property
    def protocol(self) -> Protocol:
        """The protocol for a set of this size and with these hints."""
        synthetic = self.synthetic
        size = synthetic.images.shape[-1]
        on_size = self.wanted.on(synthetic.images_per_class, synthetic.num_classes, size)
        return on_size.hinted(synthetic.hints)

    @cached_property
    def taught(self) -> SyntheticSet:
        """The set as the protocol reads it."""
        synthetic, protocol = self.synthetic, self.protocol
        tiles = synthetic.hints.get("tiles", 1) if "tiles" in protocol.uses_hints else 1
        read = synthetic.unfolded(tiles) if tiles > 1 else synthetic
        return dataclasses.replace(read, targets=None) if self._leaves_targets else read

    @property
    def _leaves_targets(self) -> bool:
        return self.synthetic.targets is not None and self.protocol.labels != "targets"

    @property
    def note(self) -> str:
        """Return a remark on what the protocol ignores of the set."""
        return "targets not read" if self._leaves_targets else ""


def training_key(run: "Run", training: Training) -> dict[str, Any]:
    """Return what determines a training's result."""
    return {
        "set": training.taught.fingerprint,
        "images": run.images.fingerprint,
        "student": run.key("student", training.student),
        "protocol": training.protocol.key(),
        "evaluator": run.key("evaluator", training.protocol.evaluator),
        **_library(training.protocol),
        **_whitening(run, training.protocol),
        "teacher": run.key("teacher", training.teacher)
        if training.protocol.labels == "soft"
        else None,
        "seed": training.seed,
        "split": run.recipe.evaluation.split,
        **({"choose": True} if run.recipe.evaluation.choose else {}),
        "training": run.student_key,
    }


def _library(protocol: Protocol) -> dict[str, Any]:
    """Return the version of Pillow, if it makes the crops."""
    return {"crops": versions("Pillow")} if protocol.pixels == "pil" else {}


def _whitening(run: "Run", protocol: Protocol) -> dict[str, Any]:
    """Return what determines the whitening, if the protocol whitens."""
    return (
        {"whitening": WHITENING.versioned(whitening_key(run))} if protocol.whiten == "zca" else {}
    )


def feed_of(run: "Run", training: Training, labels: "LabelTable | None" = None) -> "Feed":
    """Return the steps of a training."""
    from ddoq.students.lessons import feed_of as steps_of

    world = run.student_world
    return steps_of(run, training.taught, training.protocol, training.seed, labels, world=world)


def label_of(run: "Run", training: Training) -> Callable[[Tensor], Tensor]:
    """Return the teacher's labeling function, with the rounding of the protocol's stored labels."""
    from ddoq.labels.packing import through

    teacher, protocol = run.teacher_of(training.teacher).forward, training.protocol
    if not protocol.compresses_labels:
        return teacher
    return lambda images: through(teacher(images), protocol)


def labels_of(run: "Run", training: Training) -> "LabelTable | None":
    """Return the stored soft labels of a training, which all students of a seed share.

    None if the teacher labels at each step. The outcome is the same, on a CPU bit for bit.
    """
    from ddoq.labels.table import LabelTable, write_table

    if not stores_labels(run, training):
        return None
    feed, num_classes = feed_of(run, training), run.images.num_classes

    def work(folder: Path) -> None:
        label, world = run.teacher_of(training.teacher).forward, run.world
        with _progress(run, feed) as advance:
            write_table(feed, label, folder, num_classes=num_classes, world=world, advance=advance)

    is_drawn = training.protocol.weights == "sampler"
    key = {
        "set": training.taught.fingerprint if is_drawn else training.taught.content,
        "images": run.images.fingerprint,
        "protocol": training.protocol.label_key(),
        **_library(training.protocol),
        "teacher": run.key("teacher", training.teacher),
        "seed": training.seed,
        "device": run.world.device.type,
    }
    return LabelTable(run.stage(_LABELS, key, work))


def stores_labels(run: "Run", training: Training) -> bool:
    """Say whether the soft labels of a training are stored, as `evaluation.labels` decides."""
    how = run.recipe.evaluation.labels
    if training.protocol.labels != "soft" or how == "online":
        return False
    size = stored_bytes(run, training) * len(training.synthetic)
    return how == "stored" or (len(run.recipe.students) > 1 and size <= _TABLE_BYTES)


def stored_bytes(run: "Run", training: Training) -> float:
    """Return the bytes of a training's soft labels per image of the set."""
    from ddoq.labels.packing import row_bytes

    feed = feed_of(run, training)
    epochs, steps = divmod(feed.num_distinct, feed.steps_per_epoch)
    rows = epochs + min(1.0, steps * feed.batch_size / len(training.taught))
    per_image = len(training.taught) // len(training.synthetic)
    return rows * row_bytes(training.protocol, run.images.num_classes) * per_image


@contextlib.contextmanager
def _progress(run: "Run", feed: "Feed") -> Generator[Callable[[int], None]]:
    """Show the progress of the labeling, if it takes a while."""
    if feed.num_distinct * feed.batch_size < _MANY:
        yield lambda _: None
        return
    with run.console.stage("label", feed.num_distinct) as bar:
        yield bar.advance
