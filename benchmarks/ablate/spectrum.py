"""In how many directions do the latents of a class vary?"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from jaxtyping import Float
from torch import Tensor

from ddoq.quantize.shrinkage import Frame

SHARES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Spectrum:
    """What the variances along the principal directions of a class say."""

    class_name: str
    num_latents: int
    dim: int
    variance: float
    """Of all directions together: the distortion of a single point."""
    effective_dimension: float
    """(sum l)^2 / sum l^2; at most the number of latents less one."""
    directions_50: int
    """That hold half of the variance."""
    directions_90: int
    directions_99: int


def spectrum(latents: Float[Tensor, "n dim"], class_name: str) -> Spectrum:
    """Measure the variances of a class."""
    variances = Frame.of(latents).variances.double().sort(descending=True).values
    total = variances.sum()
    held = variances.cumsum(0) / total
    counts = [int((held < share).sum()) + 1 for share in SHARES]
    return Spectrum(
        class_name=class_name,
        num_latents=latents.shape[0],
        dim=latents.shape[1],
        variance=float(total),
        effective_dimension=float(total.square() / variances.square().sum()),
        directions_50=counts[0],
        directions_90=counts[1],
        directions_99=counts[2],
    )


def average(spectra: Sequence[Spectrum]) -> dict[str, float]:
    """Return the mean over classes of each number."""
    names = [f.name for f in fields(Spectrum) if f.name != "class_name"]
    return {name: sum(getattr(s, name) for s in spectra) / len(spectra) for name in names}
