"""The real images that sets are compared with, judged once for all sets of a run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq import keyed
from ddoq.data.conversion import in_floats
from ddoq.files.artifacts import read_json, write_json
from ddoq.files.stage import PRETRAIN, Stage
from ddoq.files.tensors import read_tensors, write_tensors
from ddoq.pushforward.judge import Judge
from ddoq.pushforward.memorization import nearest, nearest_rows

if TYPE_CHECKING:
    from ddoq.run import Run

REAL = Stage("pushforward/real", 1, (PRETRAIN,))
_FILE, _SHARE = "real.safetensors", "real.json"
# More held-out images would not move their median or their first percentile by much.
_MOST_HELD_OUT = 1000
# Training images are compared with others in parts of this many numbers.
_PART = 2**24


@dataclass(frozen=True)
class Real:
    """What is known of the real images."""

    pixels: Float[Tensor, " m"]
    """The distances of held-out images to their nearest training images."""
    in_class: float | None
    """The share of held-out images that the teacher puts in their class."""
    train: Float[Tensor, "n dim"] | None
    """The features of the training images."""
    features: Float[Tensor, " m"] | None
    """The distances of held-out images in these features."""


def real_key(run: "Run", judge: Judge | None) -> dict[str, object]:
    """Return what determines what is known of the real images."""
    return {
        "images": run.images.fingerprint,
        "split": run.recipe.evaluation.split,
        "teacher": judge.key if judge else None,
        "device": run.world.device.type,
    }


def real_of(run: "Run", judge: Judge | None) -> Real:
    """Judge the real images, unless that is done."""

    def work(folder: Path) -> None:
        if judge:
            # All ranks make the teacher together; the first one asks it.
            _ = run.teacher
        if run.world.is_first:
            _judge(run, judge, folder)

    folder = run.stage(REAL, real_key(run, judge), work)
    found = read_tensors(folder / _FILE)
    share = read_json(folder / _SHARE)["in_class"]
    return Real(found["pixels"], share, found.get("train"), found.get("features"))


def _judge(run: "Run", judge: Judge | None, folder: Path) -> None:
    name = run.recipe.evaluation.split
    labels = run.images.split(name).labels
    rows = keyed.permutation(len(labels), "held out", name)[:_MOST_HELD_OUT].sort().values
    held_out, train = run.images.some(name, rows), run.images.pixels("train")
    with run.console.stage("compare real images", len(rows)) as bar:
        found = {"pixels": to_nearest(run, held_out, train)}
        share = judge.share(held_out, labels[rows]) if judge else None
        seen = judge.features(train) if judge else None
        unseen = judge.features(held_out) if judge else None
        if seen is not None and unseen is not None:
            found |= {"train": seen, "features": nearest(unseen, [seen])}
        bar.advance(len(rows))
    write_tensors(folder / _FILE, found)
    write_json(folder / _SHARE, {"in_class": share})


def to_nearest(run: "Run", images: Tensor, train: Tensor) -> Float[Tensor, " n"]:
    """Return the distances of images to their nearest training images, in pixels from 0 to 1."""
    device = run.world.device
    own = in_floats(images).flatten(1).to(device)
    return nearest(own, _parts(train, device)).cpu()


def nearest_to(run: "Run", images: Tensor) -> Int[Tensor, " n"]:
    """Return the number of the nearest training image of each image, in pixels, of any class."""
    device = run.world.device
    own = in_floats(images).flatten(1).to(device)
    return nearest_rows(own, _parts(run.images.pixels("train"), device))[0].cpu()


def _parts(train: Tensor, device: torch.device) -> Iterator[Tensor]:
    for part in train.split(max(1, _PART // train[0].numel())):
        yield in_floats(part).flatten(1).to(device)


def sample_like(
    labels: Int[Tensor, " n"], pool: Int[Tensor, " m"], *, most: int
) -> Int[Tensor, " s"]:
    """Choose random images of a pool, each class in proportion to its share of a set's labels.

    They are as many as the classes allow, at most `most`, and at least one of each class.
    """
    num_classes = 1 + max(int(labels.max()), int(pool.max()))
    wanted = torch.bincount(labels, minlength=num_classes).double()
    held = torch.bincount(pool, minlength=num_classes).double()
    asked = wanted > 0
    factor = min(float((held[asked] / wanted[asked]).min()), most / len(labels))
    numbers = (wanted * factor).floor().long().clamp_min(asked.long())
    rows: list[Tensor] = []
    for label in torch.nonzero(asked).flatten().tolist():
        own = torch.nonzero(pool == label).flatten()
        order = keyed.permutation(len(own), "real sample", label)
        rows.append(own[order[: int(numbers[label])]])
    return torch.cat(rows)
