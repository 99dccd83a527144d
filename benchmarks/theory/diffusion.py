"""Does a diffusion carry the closeness of points over to images?

The prior is a Gaussian mixture in the plane, noised by dx = -x/2 dt + dW, so that its score has a
closed form and alpha_bar at time t is exp(-t).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.theory.finding import Check, Curve, Finding, Plot, Scale
from ddoq import keyed
from ddoq.quantize import functional
from ddoq.quantize.lloyd import Lloyd
from ddoq.quantize.transport import w2_squared

_TIME, _STEPS = 2.0, 60


@dataclass(frozen=True)
class Mixture:
    """Three Gaussians of standard deviation `spread` on a circle of radius 1."""

    spread: float = 0.4
    shares: tuple[float, ...] = (0.5, 0.3, 0.2)

    @property
    def means(self) -> Float[Tensor, "parts 2"]:
        """The centers, at equal angles."""
        parts = len(self.shares)
        angles = 2 * math.pi * torch.arange(parts, dtype=torch.float64) / parts
        return torch.stack([angles.cos(), angles.sin()], 1)

    def sample(self, num: int, generator: torch.Generator) -> Float[Tensor, "n 2"]:
        """Draw data without noise."""
        parts = torch.multinomial(torch.tensor(self.shares), num, True, generator=generator)
        return self.means[parts] + self.spread * normal(num, generator)

    def variance(self, time: float) -> float:
        """Return the variance of each part after noising."""
        return 1 - math.exp(-time) * (1 - self.spread**2)

    def score(self, x: Float[Tensor, "n 2"], time: float) -> Float[Tensor, "n 2"]:
        """Return the gradient of the log density of noised data."""
        centers, variance = math.exp(-time / 2) * self.means, self.variance(time)
        logs = torch.tensor(self.shares).log() - torch.cdist(x, centers).square() / (2 * variance)
        return (logs.softmax(1) @ centers - x) / variance

    def steepness(self, time: float) -> float:
        """Bound the largest eigenvalue of the score's Jacobian from above, anywhere.

        The Jacobian is Cov / v^2 - 1 / v, and no distribution on centers of diameter D has a
        covariance above D^2 / 4 (Popoviciu).
        """
        variance = self.variance(time)
        diameter = math.exp(-time / 2) * float(torch.pdist(self.means).max())
        return (diameter / 2 / variance) ** 2 - 1 / variance


def normal(num: int, generator: torch.Generator) -> Float[Tensor, "n 2"]:
    """Draw standard normal vectors of the plane."""
    return torch.randn(num, 2, generator=generator, dtype=torch.float64)


def noised(
    x: Float[Tensor, "n 2"], noise: Float[Tensor, "n 2"], time: float
) -> Float[Tensor, "n 2"]:
    """Return the data at a time of the forward process."""
    return math.exp(-time / 2) * x + math.sqrt(1 - math.exp(-time)) * noise


def denoised(
    mixture: Mixture, x: Float[Tensor, "n 2"], noise: Float[Tensor, "steps n 2"] | None
) -> Float[Tensor, "n 2"]:
    """Go back in time by Euler steps: the reverse SDE, or without noise its probability flow."""
    step = _TIME / _STEPS
    share = 0.5 if noise is None else 1.0
    for number in range(_STEPS):
        x = x + step * (x / 2 + share * mixture.score(x, _TIME - number * step))
        if noise is not None:
            x = x + math.sqrt(step) * noise[number]
    return x


def lipschitz(mixture: Mixture, *, has_noise: bool) -> float:
    """Return a Lipschitz constant of `denoised`, the product of its steps' (Grönwall)."""
    step = _TIME / _STEPS
    share = 1.0 if has_noise else 0.5
    times = [_TIME - number * step for number in range(_STEPS)]
    return math.prod(1 + step * (0.5 + share * mixture.steepness(time)) for time in times)


def push_forward(scale: Scale, seed: int) -> Finding:
    """Push latents and their points through the same diffusion and compare W2 before and after.

    Before, W2 is exact. After, it is bounded from above by the Voronoi coupling: each latent with
    its own point, both along the same noise.
    """
    generator = keyed.generator("theory", "push", seed)
    mixture, num = Mixture(), scale.num_latents
    x = noised(mixture.sample(num, generator), normal(num, generator), _TIME)
    noise = torch.stack([normal(num, generator) for _ in range(_STEPS)])
    flow, process = denoised(mixture, x, None), denoised(mixture, x, noise)
    rows: list[tuple[float, float, float]] = []
    for num_points in scale.num_points:
        points = Lloyd(restarts=2)(x.float(), num_points, generator=generator).double()
        own = points[functional.assign(x, points)[0]]
        moved = denoised(mixture, own, None), denoised(mixture, own, noise)
        rows.append((_gap(x, own), _gap(flow, moved[0]), _gap(process, moved[1])))
    counts = tuple(map(float, scale.num_points))
    labels = ("latents", "after the flow", "after the reverse SDE")
    curves = tuple(
        Curve(label, counts, column)
        for label, column in zip(labels, zip(*rows, strict=True), strict=True)
    )
    return _push_finding(mixture, curves)


def _gap(x: Float[Tensor, "n 2"], y: Float[Tensor, "n 2"]) -> float:
    return float((x - y).square().sum(1).mean().sqrt())


def _push_finding(mixture: Mixture, curves: tuple[Curve, ...]) -> Finding:
    before, *after = curves
    checks: list[Check] = []
    for name, curve in zip(("probability flow", "reverse SDE"), after, strict=True):
        ratio = max(b / a for a, b in zip(before.y, curve.y, strict=True))
        bound = lipschitz(mixture, has_noise=name == "reverse SDE")
        checks += [
            Check(f"{name}: largest W2 after / before", "≤", bound, ratio),
            Check(f"{name}: slope of W2 as before", "=", before.slope, curve.slope, 0.15),
        ]
    plot = Plot("Pushed through a diffusion", "points K", "W2 (after: upper bound)", curves)
    return Finding("push-forward", tuple(checks), plot)


def w2(x: Float[Tensor, "n 2"], y: Float[Tensor, "n 2"]) -> float:
    """Return the exact distance of two clouds of as many particles."""
    return math.sqrt(w2_squared(functional.squared_distances(x, y), torch.ones(len(y))))


def noising(scale: Scale, seed: int) -> Finding:
    """Add the same noise to data and to its points: the exact W2 of the two clouds shrinks.

    Noising multiplies every difference by sqrt(alpha_bar); W2 may shrink more, never less.
    """
    generator = keyed.generator("theory", "noising", seed)
    num = scale.num_particles
    x, noise = Mixture().sample(num, generator), normal(num, generator)
    points = Lloyd(restarts=2)(x.float(), 8, generator=generator).double()
    own = points[functional.assign(x, points)[0]]
    start = w2(x, own)
    ratios = [
        w2(noised(x, noise, t), noised(own, noise, t)) / start / math.exp(-t / 2)
        for t in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
    ]
    claim = "largest W2 / (√ᾱ · W2 without noise)"
    return Finding("noising", (Check(claim, "≤", 1.0, max(ratios), 1e-9),))
