"""A map of one class: its latents, points and masses, in the plane where the latents differ most.

The plane is that of the first two principal components. They are found from inner products, as
latents have more dimensions than a class has images.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq import keyed

_MOST = 400
# Fewer latents than these span no plane.
FEWEST = 3


def class_map(
    latents: Float[Tensor, "n ..."], points: Float[Tensor, "k ..."], masses: Float[Tensor, " k"]
) -> dict[str, Any]:
    """Return places in the plane as plain data, with the share of variance along each axis."""
    rows = keyed.permutation(len(latents), "map of a class")[:_MOST].sort().values
    shown = latents[rows].flatten(1).double()
    center = shown.mean(0)
    axes, shares = _axes(shown - center)
    places, of_points = ((x - center) @ axes for x in (shown, points.flatten(1).double()))
    return {
        "latents": _rounded(places),
        "of": len(latents),
        "points": _rounded(of_points),
        "masses": [float(f"{m:.4g}") for m in (masses.double() / masses.double().sum()).tolist()],
        "explained": [float(f"{s:.3g}") for s in shares.tolist()],
    }


def _axes(centered: Float[Tensor, "n dim"]) -> tuple[Float[Tensor, "dim 2"], Float[Tensor, " 2"]]:
    """Return the first two principal directions, and the share of variance along each."""
    values, vectors = torch.linalg.eigh(centered @ centered.T)
    values, vectors = values.flip(0)[:2].clamp_min(0), vectors.flip(1)[:, :2]
    directions = centered.T @ vectors
    directions = directions / directions.norm(dim=0).clamp_min(1e-12)
    # An axis has no sign of its own; its greatest coordinate is made positive.
    greatest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    directions = torch.where(greatest < 0, -directions, directions)
    total = centered.square().sum()
    return directions, values / total if total > 0 else values


def _rounded(places: Float[Tensor, "n 2"]) -> list[list[float]]:
    return [[float(f"{x:.4g}") for x in place] for place in places.tolist()]
