"""KID of sets with equally many images of each class (kernel of Bińkowski et al. 2018, equation 4).

KID takes the images of a set for independent draws. Those of a set are not: each class has its
number. With one image per class no two images share a class, so KID would count on average every
pair as less alike than random images are, and come out below zero. Here pairs within a class are
averaged apart from pairs of two classes, and weighted as independent draws would be. So the mean
over random real images, as many of each class, is zero.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

# So many rows are compared with all others at a time.
_ROWS = 512
_FEWEST = 2


@dataclass(frozen=True)
class ClassKID:
    """The squared distance of two sets of images, and its standard error."""

    value: float
    error: float | None
    """By the jackknife; None if a class has fewer than three images."""


@dataclass(frozen=True)
class _Side:
    rows: Float[Tensor, "n dim"]
    labels: Int[Tensor, " n"]
    counts: Float[Tensor, " classes"]

    def sums(self, other: "_Side") -> Float[Tensor, "n classes"]:
        """Return the sum of each row's kernel over each class of another side."""
        of_class = one_hot(other.labels, len(other.counts)).double()
        dim = self.rows.shape[1]
        parts = [(x @ other.rows.T / dim + 1).pow(3) @ of_class for x in self.rows.split(_ROWS)]
        return torch.cat(parts)

    def own_sums(self) -> Float[Tensor, "n classes"]:
        """Return the same over this side, without each row's product with itself."""
        itself = (self.rows.square().sum(1) / self.rows.shape[1] + 1).pow(3)
        own = one_hot(self.labels, len(self.counts)).double()
        return self.sums(self) - own * itself[:, None]


def class_kid(
    real: Float[Tensor, "n dim"],
    drawn: Float[Tensor, "m dim"],
    real_labels: Int[Tensor, " n"],
    labels: Int[Tensor, " m"],
) -> ClassKID | None:
    """Return the KID of features, with each class's share that of `drawn`.

    None if a class has a single image, which cannot be compared with its like.
    """
    classes, drawn_classes = labels.unique(return_inverse=True)
    kept = torch.isin(real_labels, classes)
    sides = [
        _side(real[kept], torch.searchsorted(classes, real_labels[kept]), len(classes)),
        _side(drawn, drawn_classes, len(classes)),
    ]
    fewest = min(int(side.counts.min()) for side in sides)
    if fewest < _FEWEST:
        return None
    shares = sides[1].counts / sides[1].counts.sum()
    between = [sides[0].sums(sides[1]), sides[1].sums(sides[0])]
    own = [side.own_sums() for side in sides]
    within = sum(_within(side, sums, shares) for side, sums in zip(sides, own, strict=True))
    crossed = _crossed(sides[0], sides[1], between[0], shares)
    value = float(within - 2 * crossed)
    if fewest <= _FEWEST:
        return ClassKID(value, None)
    variance = sum(_variance(sides[i], sides[1 - i], own[i], between[i], shares) for i in (0, 1))
    return ClassKID(value, float(variance) ** 0.5)


def _side(rows: Tensor, labels: Tensor, number: int) -> _Side:
    counts = torch.bincount(labels, minlength=number).double()
    return _Side(rows.double(), labels, counts)


def _of_pairs(side: _Side, sums: Tensor) -> Float[Tensor, "classes classes"]:
    """Add up the sums of a side's rows by their class."""
    return torch.zeros(len(side.counts), sums.shape[1]).double().index_add(0, side.labels, sums)


def _within(side: _Side, sums: Tensor, shares: Tensor) -> Tensor:
    """Return the mean kernel of two independent draws from one side."""
    n = side.counts
    pairs = n[:, None] * n - n.diag()
    return shares @ (_of_pairs(side, sums) / pairs) @ shares


def _crossed(side: _Side, other: _Side, sums: Tensor, shares: Tensor) -> Tensor:
    """Return the mean kernel of a draw from each side."""
    pairs = side.counts[:, None] * other.counts
    return shares @ (_of_pairs(side, sums) / pairs) @ shares


def _variance(side: _Side, other: _Side, own: Tensor, between: Tensor, shares: Tensor) -> Tensor:
    """Return the jackknife's variance when single rows of one side are left out.

    Leaving out row i of class c changes the means of c alone. Of these, the mean over pairs of c
    loses two sums of row i; all others, one.
    """
    c = side.labels
    n, share = side.counts[c], shares[c]
    total, crossed = _of_pairs(side, own)[c], _of_pairs(side, between)[c]
    rest = shares / side.counts * (1 - one_hot(c, len(shares)).double())
    itself, alone = (x.gather(1, c[:, None]).squeeze(1) for x in (total, own))
    others = ((total - own) * rest).sum(1) / (n - 1)
    like = share * (itself - 2 * alone) / ((n - 1) * (n - 2))
    away = ((crossed - between) * shares / other.counts).sum(1) / (n - 1)
    # Terms without row i and without c are the same for all rows of c, and drop out.
    left = share * (2 * others + like - 2 * away)
    mean = torch.zeros_like(side.counts).index_add(0, c, left) / side.counts
    return ((n - 1) / n * (left - mean[c]).square()).sum()
