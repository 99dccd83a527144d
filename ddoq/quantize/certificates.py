"""Certificates: figures that say how well the weighted points stand for each class.

With the masses of the cells, W2 squared is the distortion. With other masses, such as the counts of
a stream, and with other weights, W2 squared lies between the distortion and, by the triangle
inequality, the square of

    sqrt(distortion) + W2(points with their cells' masses, points with weights).

It is computed exactly from the latents where that is asked for, and also for masses that are not
those of the cells if the class is small enough.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.data.latents import LatentStore
from ddoq.quantize import functional
from ddoq.quantize.quantization import Quantization
from ddoq.quantize.transport import transport, transport_of
from ddoq.quantize.validation import Trial

_MOST_ENTRIES = 1_000_000


def certify(
    quantization: Quantization,
    weights: Float[Tensor, " n"],
    *,
    class_names: Sequence[str],
    store: LatentStore | None = None,
    exact: Sequence[int] = (),
    held_out: dict[int, Trial] | None = None,
) -> list[dict[str, Any]]:
    """Return a row of figures for every class.

    Args:
        quantization: The points.
        weights: The weights in the loss; only each point's share of its class matters.
        class_names: In the order of the labels.
        store: The latents, for exact transport.
        exact: The classes whose W2 under the weights is computed exactly.
        held_out: The result of cross-validation for these points.
    """
    bounds = quantization.offsets.tolist()
    rows: list[dict[str, Any]] = []
    for label, name in enumerate(class_names):
        own = slice(bounds[label], bounds[label + 1])
        trial = (held_out or {}).get(label)
        latents = store.latents(label) if store is not None else None
        rows.append(
            {
                "class": name,
                **_points(quantization, label, own, latents),
                **_weights(quantization, weights, label, own, latents if label in exact else None),
                "held_out_distortion": trial.held_out if trial else None,
                "held_out_w2": _root(trial.w2_squared) if trial else None,
            }
        )
    return rows


def _points(
    quantization: Quantization, label: int, own: slice, latents: Tensor | None
) -> dict[str, Any]:
    points = quantization.points[own].flatten(1)
    num_latents = int(quantization.counts[own].sum())
    distortion = float(quantization.distortions[label])
    wanted = min(int(quantization.requested[label]), num_latents)
    return {
        "latents": num_latents,
        "points": len(points),
        "distortion": distortion,
        "w2": _between(quantization, quantization.masses[own], label, own, latents)[1],
        **_effective("", quantization.masses[own]),
        "empty_cells": max(0, wanted - len(points)),
        "duplicates": len(points) - len(points.unique(dim=0)) if len(points) else 0,
    }


def _effective(prefix: str, masses: Float[Tensor, " k"]) -> dict[str, float]:
    shares = masses / masses.sum() if len(masses) else masses
    size = 1 / float(shares.square().sum()) if len(masses) else 0.0
    return {
        f"{prefix}effective_size": size,
        f"{prefix}effective_share": size / max(1, len(masses)),
    }


def _weights(
    quantization: Quantization,
    weights: Float[Tensor, " n"],
    label: int,
    own: slice,
    latents: Tensor | None,
) -> dict[str, Any]:
    """Return bounds of W2 under the weights in use; both are equal if it is exact."""
    used = weights[own].double()
    found = _between(quantization, used, label, own, latents)
    return {**_effective("weights_", used), "weights_w2": found}


def _between(
    quantization: Quantization, shares: Tensor, label: int, own: slice, latents: Tensor | None
) -> list[float]:
    """Return bounds of W2 between a class's latents and its points with some shares."""
    shares, counts = shares.double(), quantization.counts[own].double()
    points = quantization.points[own].flatten(1).double()
    if not len(points) or float(shares.sum()) <= 0:
        return [0.0, 0.0]
    least = float(quantization.distortions[label]) ** 0.5
    if torch.allclose(shares / shares.sum(), counts / counts.sum(), rtol=1e-9, atol=1e-12):
        return [least, least]
    if latents is not None and len(latents) * len(points) <= _MOST_ENTRIES:
        found = transport_of(latents, points, shares)
        return [found.lower**0.5, found.upper**0.5]
    points = points - points.mean(0)
    moved = transport(functional.squared_distances(points, points), shares, counts).upper
    return [least, least + moved**0.5]


def _root(squared: float | None) -> float | None:
    return None if squared is None else squared**0.5
