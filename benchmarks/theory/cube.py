"""How fast does the distance fall with more points? Zador's law on the unit cube."""

import torch

from benchmarks.theory.finding import Check, Curve, Finding, Plot, Scale
from ddoq import keyed
from ddoq.quantize import functional
from ddoq.quantize.lloyd import Lloyd

_DIMENSIONS = (1, 2, 4, 8)
# Few points bend the law: by 14 % at d = 4 and K <= 32 (n=12), by 11 % at d = 8 and K <= 128 (n=6).
_MARGIN = 0.2


def zador(scale: Scale, seed: int) -> Finding:
    """Fit the slope of log W2 against log K for several dimensions; theory says -1/d."""
    curves = tuple(_curve(dim, scale, seed) for dim in _DIMENSIONS)
    checks = tuple(
        Check(f"d = {dim}: slope of W2 against K", "=", -1 / dim, c.slope, _MARGIN / dim)
        for dim, c in zip(_DIMENSIONS, curves, strict=True)
    )
    plot = Plot("Zador's law on the unit cube", "points K", "W2, on fresh latents", curves)
    return Finding("zador", checks, plot)


def _curve(dim: int, scale: Scale, seed: int) -> Curve:
    generator = keyed.generator("theory", "cube", seed, dim)
    latents = torch.rand(scale.num_latents, dim, generator=generator)
    fresh = torch.rand(scale.num_fresh, dim, generator=generator)
    distances: list[float] = []
    for num in scale.num_points:
        points = Lloyd(restarts=2)(latents, num, generator=generator)
        distances.append(float(functional.assign(fresh, points)[1].double().mean().sqrt()))
    return Curve(
        f"d = {dim} (theory {-1 / dim:g})", tuple(map(float, scale.num_points)), tuple(distances)
    )
