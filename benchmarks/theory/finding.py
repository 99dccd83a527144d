"""What was claimed, what was measured, and do the two agree?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Relation = Literal["=", "≤", "≥"]


@dataclass(frozen=True)
class Scale:
    """How much is computed."""

    num_latents: int
    num_fresh: int
    """Latents that no point was fitted to, for an honest distortion."""
    num_points: tuple[int, ...]
    num_particles: int
    """Samples on each side of an exact transport problem."""


FULL = Scale(8192, 20_000, (4, 8, 16, 32, 64, 128), 400)
QUICK = Scale(2048, 8192, (4, 8, 16, 32), 100)


@dataclass(frozen=True)
class Check:
    """One claim about one number."""

    claim: str
    relation: Relation
    expected: float
    measured: float
    tolerance: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether the measured number is as claimed; never so for one that is not finite."""
        excess = self.measured - self.expected
        signed = {"=": abs(excess), "≤": excess, "≥": -excess}[self.relation]
        return math.isfinite(self.measured) and signed <= self.tolerance

    @property
    def expectation(self) -> str:
        """Return the claim about the number as it stands in the table."""
        margin = f" ± {self.tolerance:.2g}" if self.relation == "=" else ""
        return f"{self.relation} {self.expected:.4g}{margin}"


@dataclass(frozen=True)
class Curve:
    """Positive numbers that should lie on a line in a plot with two logarithmic axes."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]

    @property
    def slope(self) -> float:
        """The slope of the least-squares line through (log x, log y)."""
        return self._line[0]

    @property
    def fitted(self) -> tuple[float, ...]:
        """The height of that line at each x."""
        slope, offset = self._line
        return tuple(math.exp(offset + slope * math.log(x)) for x in self.x)

    @property
    def _line(self) -> tuple[float, float]:
        a, b = _logs(self.x), _logs(self.y)
        mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
        shared = math.fsum((p - mean_a) * (q - mean_b) for p, q in zip(a, b, strict=True))
        slope = shared / math.fsum((p - mean_a) ** 2 for p in a)
        return slope, mean_b - slope * mean_a


def _logs(values: Sequence[float]) -> list[float]:
    # Zero is possible where points come to lie on the latents themselves.
    return [math.log(max(value, 1e-300)) for value in values]


@dataclass(frozen=True)
class Plot:
    """Curves that belong on one pair of axes."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Finding:
    """The claims of one theorem, checked; with a plot where numbers follow a law."""

    name: str
    checks: tuple[Check, ...]
    plot: Plot | None = None
