"""M3D (Zhang et al. 2024): maximum mean discrepancy of features, so that all moments agree."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.matching.scene import Scene

# The Gaussian kernels' widths, relative to the mean squared distance.
_WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
_SMALLEST = 1e-8

Kernel = Literal["gaussian", "linear"]


def squared_mmd(
    a: Float[Tensor, "n dim"],
    b: Float[Tensor, "m dim"],
    *,
    weights_a: Float[Tensor, " n"],
    weights_b: Float[Tensor, " m"],
    kernel: Kernel = "gaussian",
    bandwidth: float | None = None,
) -> Float[Tensor, ""]:
    """Return mean k(a, a') - 2 mean k(a, b) + mean k(b, b'), pairs of one element included.

    The Gaussian kernel is the sum of `exp(-|x - y|^2 / (h 2^j))` over j = -2, ..., 2. Its `h` is
    the mean squared distance of all pairs of both sets, unless a bandwidth is given. The linear
    kernel gives the squared distance of the means.
    """
    weights_a, weights_b = weights_a.to(a), weights_b.to(a)
    x, weights = torch.cat([a, b]), torch.cat([weights_a, weights_b])
    if kernel == "linear":
        values = x @ x.T
    else:
        squares = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").square()
        values = _gaussian(squares, weights, bandwidth)
    signed = torch.cat([weights_a / weights_a.sum(), -weights_b / weights_b.sum()])
    return signed @ values @ signed


def _gaussian(squares: Tensor, weights: Tensor, bandwidth: float | None) -> Tensor:
    if bandwidth is None:
        total = weights.sum()
        pairs = (total.square() - total).clamp_min(_SMALLEST)
        mean = (weights @ squares.detach() @ weights / pairs).clamp_min(_SMALLEST)
    else:
        mean = torch.as_tensor(bandwidth, dtype=squares.dtype, device=squares.device)
    return torch.stack([torch.exp(-squares / (mean * width)) for width in _WIDTHS]).sum(0)


@dataclass(frozen=True, kw_only=True)
class MMD:
    """The squared discrepancy of each class's features."""

    kernel: Kernel = "gaussian"

    def loss(self, scene: Scene) -> Float[Tensor, ""]:
        """Return the sum over the classes."""
        real, synthetic = scene.real(), scene.synthetic()
        with torch.no_grad():
            of_real = scene.features(real)
        of_synthetic = scene.features(synthetic)
        losses = [
            squared_mmd(
                of_real[ours := real.labels == label],
                of_synthetic[theirs := synthetic.labels == label],
                weights_a=real.weights[ours],
                weights_b=synthetic.weights[theirs],
                kernel=self.kernel,
            )
            for label in scene.classes
        ]
        return torch.stack(losses).sum()
