"""Weightings: the weight in the loss of an image whose point has a given mass.

Masses `w_k` sum to 1 in a class. All schemes but `root_raw` give class c the total N pi_c, where N
is the number of all images and pi_c the class's prior: 1 / C, or its share of the data.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def _share(
    values: Float[Tensor, " n"], labels: Int[Tensor, " n"], priors: Float[Tensor, " classes"]
) -> Float[Tensor, " n"]:
    """Scale values so that each class sums to its prior times the number of images."""
    totals = torch.zeros_like(priors, dtype=values.dtype).index_add(0, labels, values)
    return values / totals[labels] * priors[labels] * len(labels)


def uniform(
    masses: Float[Tensor, " n"], labels: Int[Tensor, " n"], priors: Float[Tensor, " classes"]
) -> Float[Tensor, " n"]:
    """Give every image of a class the same weight."""
    return _share(torch.ones_like(masses), labels, priors)


def mass(
    masses: Float[Tensor, " n"], labels: Int[Tensor, " n"], priors: Float[Tensor, " classes"]
) -> Float[Tensor, " n"]:
    """Weight by the masses themselves, as the theory says."""
    return _share(masses, labels, priors)


def root(
    masses: Float[Tensor, " n"], labels: Int[Tensor, " n"], priors: Float[Tensor, " classes"]
) -> Float[Tensor, " n"]:
    """Weight by the square roots of the masses, the paper's heuristic for less variance."""
    return _share(masses.sqrt(), labels, priors)


def root_raw(masses: Float[Tensor, " n"], labels: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Weight by sqrt(K w). The roots are not normalized, so totals of classes may differ."""
    per_class = torch.bincount(labels)[labels]
    return (per_class * masses).sqrt()


def of_real(
    labels: Int[Tensor, " n"], counts: Int[Tensor, " classes"], kind: str
) -> Float[Tensor, " n"]:
    """Weight real images so that classes total what they do in any other set: their prior.

    Args:
        labels: Of the images in the set.
        counts: Of all real images, by class.
        kind: `uniform`, or the `data`'s own share.
    """
    of_class = torch.bincount(labels, minlength=len(counts))[labels].double()
    if kind == "uniform":
        # In this order, so that as many images of each class weigh 1 exactly.
        return len(labels) / (int((counts > 0).sum()) * of_class)
    return class_priors(counts, kind)[labels] * len(labels) / of_class


def class_priors(counts: Int[Tensor, " classes"], kind: str) -> Float[Tensor, " classes"]:
    """Return each class's prior: `uniform`, or its share of the `data`."""
    present = (counts > 0).double()
    shares = present if kind == "uniform" else counts.double()
    return shares / shares.sum()
