"""Points among inverted latents, moved out to where such latents lie."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.data.latents import LatentStore
from ddoq.quantize.quantization import Quantization


def typical(quantization: Quantization, store: LatentStore) -> Quantization:
    """Move each point away from its class's mean to the latents' own mean square distance.

    Noise of many dimensions lies on a sphere, and a mean of it near the center, where a prior was
    never asked. Masses stay. A point at the center has no direction, and stays too.
    """
    offsets = quantization.offsets.tolist()
    moved = [
        _moved(quantization.points[offsets[c] : offsets[c + 1]].float(), store.latents(c).float())
        for c in range(quantization.num_classes)
    ]
    return replace(quantization, points=torch.cat(moved))


def _moved(
    points: Float[Tensor, "k ..."], latents: Float[Tensor, "n ..."]
) -> Float[Tensor, "k ..."]:
    if len(points) == 0:
        return points
    center = latents.mean(0)
    radius = (latents - center).flatten(1).square().sum(1).mean().sqrt()
    out = points - center
    lengths = out.flatten(1).norm(dim=1)
    factors = torch.where(lengths > 1e-3 * radius, radius / lengths.clamp_min(1e-12), 1.0)
    return center + out * factors.reshape(-1, *[1] * (points.ndim - 1))
