"""Redundancy: can half of a set's images tell the classes of the other half?

A network is trained on one half and tested on the other one, and the other way round ("LGD", CVPR
2026). Where both halves say the same, the network is right almost always.
"""

import dataclasses
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int
from torch import Tensor

from ddoq import keyed
from ddoq.data.conversion import as_bytes, resized
from ddoq.data.images import Images
from ddoq.data.source import Split
from ddoq.distillers.weighting import of_real
from ddoq.evaluation.measure import measure
from ddoq.evaluation.training import Training
from ddoq.protocols.protocol import Protocol
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run

_FEWEST = 4


@dataclass(frozen=True)
class Redundancy:
    """The accuracy of one half's student on the other half, as a mean over both directions."""

    synthetic: float
    random: float
    """The same of as many random real images of each class."""


def halves(labels: Int[Tensor, " n"], seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows of two halves of every class. Of an odd number the first half has more."""
    parts: list[list[Tensor]] = [[], []]
    for label in labels.unique().tolist():
        rows = torch.nonzero(labels == label).flatten()
        rows = rows[keyed.permutation(len(rows), "halves", seed, label)]
        for number, part in enumerate(parts):
            part.append(rows[number::2])
    first, second = (torch.cat(part).sort().values for part in parts)
    return first, second


def cut(synthetic: SyntheticSet) -> SyntheticSet:
    """Return the images as networks see them: a collage is none, its tiles are."""
    tiles = synthetic.hints.get("tiles", 1)
    return synthetic.unfolded(tiles) if tiles > 1 else synthetic


def too_few(labels: Int[Tensor, " n"], kind: str = "") -> str:
    """Return why a set has no halves to compare, or nothing if it has."""
    fewest = int(labels.unique(return_counts=True)[1].min())
    if fewest >= _FEWEST:
        return ""
    return f"a class has {fewest} {kind}images, and halves are compared from {_FEWEST} images on"


def redundancy(run: "Run", synthetic: SyntheticSet, protocol: Protocol, seed: int) -> Redundancy:
    """Return the redundancy of a set, and of random real images, by the run's first student.

    Labels are hard, as a teacher's answers would add what it knows of all images to what one half
    says of the other. All four trainings are stages, which sets with the same images share.
    """
    real = as_many(run.images, synthetic.labels, seed)
    found = [_of(run, s, protocol.with_hard_labels(), seed) for s in (synthetic, real)]
    return Redundancy(*found)


def _of(run: "Run", synthetic: SyntheticSet, protocol: Protocol, seed: int) -> float:
    rows = halves(synthetic.labels, seed)
    student = run.recipe.students[0]
    accuracies: list[float] = []
    for taught, tested in (rows, rows[::-1]):
        part = run.narrowed(_tested_on(run.images, cut(_some(synthetic, tested))))
        training = Training(_some(synthetic, taught), student, protocol, seed)
        accuracies.append(measure(part, training).top1)
    return fmean(accuracies)


def _some(synthetic: SyntheticSet, rows: Int[Tensor, " m"]) -> SyntheticSet:
    """Return some images of a set, with what belongs to each of them."""
    return dataclasses.replace(
        synthetic,
        images=synthetic.images[rows],
        labels=synthetic.labels[rows],
        weights=synthetic.weights[rows],
        targets=None if synthetic.targets is None else synthetic.targets[rows],
        latents=None,
        columns={},
        provenance={},
    )


def _tested_on(images: Images, synthetic: SyntheticSet) -> Images:
    """Return the real images with a set's images to measure on, in 8 bits."""
    pixels = synthetic.images
    if pixels.dtype != torch.uint8:
        pixels = as_bytes(pixels)
    split = Split(synthetic.labels, lambda i, size: resized(pixels[i], size), is_held=True)
    return images.tested_on(split, synthetic.content)


def as_many(images: Images, labels: Int[Tensor, " n"], seed: int) -> SyntheticSet:
    """Return random real images, as many of each class as there are labels of it.

    They are the images of the row `random` if that has as many.
    """
    rows: list[Tensor] = []
    for label, number in enumerate(torch.bincount(labels, minlength=images.num_classes).tolist()):
        own = images.train.of_class(label)
        rows.append(own[keyed.permutation(len(own), "random real", seed, label)[:number]])
    chosen = torch.cat(rows)
    weights = of_real(images.train.labels[chosen], images.counts, "uniform")
    return images.subset(chosen, weights, distiller="random")
