"""Do points and masses come out where closed forms and exact transport put them?"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.theory.finding import Check, Finding, Scale
from ddoq import keyed
from ddoq.quantize import functional
from ddoq.quantize.lloyd import Lloyd
from ddoq.quantize.transport import w2_squared

_DRAWS, _OTHERS = 5, 20


def cell_masses(scale: Scale, seed: int) -> Finding:
    """Compare the masses of the Voronoi cells with random others by exact optimal transport."""
    gaps, ratios = [0.0], [math.inf]
    for draw in range(_DRAWS):
        generator = keyed.generator("theory", "masses", seed, draw)
        x = torch.randn(200, 2, generator=generator, dtype=torch.float64)
        points = torch.randn(6, 2, generator=generator, dtype=torch.float64)
        nearest, squares = functional.assign(x, points)
        distortion, distances = float(squares.mean()), functional.squared_distances(x, points)
        own = torch.bincount(nearest, minlength=6) / 200
        gaps.append(abs(w2_squared(distances, own) / distortion - 1))
        noise = torch.randn(_OTHERS, 6, generator=generator, dtype=torch.float64)
        others = (own.double() * (noise / 4).exp()).unbind()
        others = [w2_squared(distances, other) for other in others]
        ratios.append(min(others) / distortion)
    return Finding(
        "cell masses",
        (
            Check("W2² is the distortion: relative gap", "=", 0.0, max(gaps), 1e-6),
            Check("other masses: least W2² / distortion", "≥", 1.0, min(ratios), 1e-9),
        ),
    )


def optimal_points(scale: Scale, seed: int) -> Finding:
    """Compare the solver's points with the optimal ones of two distributions on the line."""
    shares = (torch.arange(scale.num_latents, dtype=torch.float64) + 0.5) / scale.num_latents
    distances: list[float] = []
    ratios: list[float] = []
    for num in (1, 2, 5):
        points, distortion = _solved(shares, num, seed)
        optimal = (2 * torch.arange(num) + 1) / (2 * num)
        distances.append(float((points - optimal).abs().max()))
        ratios.append(distortion * 12 * num**2)
    two, least = _solved(torch.special.ndtri(shares), 2, seed)
    best = math.sqrt(2 / math.pi)
    return Finding(
        "optimal points",
        (
            Check("U[0,1]: distance to (2i-1)/2K", "=", 0.0, max(distances), 2e-3),
            Check("U[0,1]: distortion · 12K²", "=", 1.0, _farthest(ratios), 2e-3),
            Check("N(0,1), K = 2: lower point", "=", -best, float(two[0]), 2e-3),
            Check("N(0,1), K = 2: upper point", "=", best, float(two[1]), 2e-3),
            Check("N(0,1), K = 2: distortion", "=", 1 - 2 / math.pi, least, 2e-3),
        ),
    )


def _solved(
    values: Float[Tensor, " n"], num_points: int, seed: int
) -> tuple[Float[Tensor, " k"], float]:
    generator = keyed.generator("theory", "optima", seed, num_points)
    latents = values.float()[:, None]
    points = Lloyd(restarts=2)(latents, num_points, generator=generator)
    distortion = float(functional.assign(latents, points)[1].double().mean())
    return points.flatten().sort().values, distortion


def _farthest(ratios: Sequence[float]) -> float:
    return max(ratios, key=lambda ratio: abs(ratio - 1))


def running_mean(scale: Scale, seed: int) -> Finding:
    """Compare CLVQ's points, latent by latent, with the means of what was assigned to them."""
    generator = keyed.generator("theory", "stream", seed)
    x = torch.randn(500, 3, generator=generator, dtype=torch.float64)
    points, counts = x[:4], torch.zeros(4, dtype=torch.int64)
    assigned: list[Tensor] = []
    for z in x.split(1):
        assigned.append(functional.assign(z, points)[0])
        points, counts = functional.running_means(z, points, counts)
    cells = torch.cat(assigned)
    means = torch.stack([x[cells == k].mean(0) for k in range(4)])
    gap = float((points - means).abs().max())
    claim = "distance to the mean of all assigned"
    # The quotient 1/count is taken in float32.
    return Finding("steps of CLVQ", (Check(claim, "=", 0.0, gap, 1e-6),))
