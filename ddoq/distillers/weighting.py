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


def class_priors(counts: Int[Tensor, " classes"], kind: str) -> Float[Tensor, " classes"]:
    """Return each class's prior: `uniform`, or its share of the `data`."""
    present = (counts > 0).double()
    shares = present if kind == "uniform" else counts.double()
    return shares / shares.sum()
