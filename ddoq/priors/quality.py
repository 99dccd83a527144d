"""Distances of samples from real images: FID and KID in the features of a network."""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def features_of(
    network: Callable[[Tensor], Tensor], batches: Iterable[UInt8[Tensor, "batch c h w"]]
) -> Float[Tensor, "n dim"]:
    """Return a network's features of 8-bit images, on the CPU."""
    with torch.inference_mode():
        return torch.cat([network(images).float().cpu() for images in batches])


def fid(real: Float[Tensor, "n dim"], drawn: Float[Tensor, "m dim"]) -> float:
    """Return the Fréchet distance of two Gaussians (Heusel et al. 2017).

    It is |a - b|^2 + tr(A + B - 2 (A B)^(1/2)). Its bias falls with the number of images, so only
    values for the same number of images can be compared.
    """
    real, drawn = real.double(), drawn.double()
    of_real, of_drawn = real.T.cov(), drawn.T.cov()
    values, vectors = torch.linalg.eigh(of_real)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    # A^(1/2) B A^(1/2) is symmetric and has the eigenvalues of A B.
    joint = torch.linalg.eigvalsh(root @ of_drawn @ root).clamp_min(0).sqrt().sum()
    means = (real.mean(0) - drawn.mean(0)).square().sum()
    return float(means + of_real.trace() + of_drawn.trace() - 2 * joint)


def kid(
    real: Float[Tensor, "n dim"], drawn: Float[Tensor, "m dim"], *, block: int = 1000
) -> tuple[float, float | None]:
    """Return the squared MMD of the cubic kernel and its standard error (Bińkowski et al. 2018).

    It is the mean over blocks of images, each of which is unbiased. The error is that of the mean;
    a single block has none.
    """
    number = max(1, min(len(real), len(drawn)) // block)
    pairs = zip(real.double().chunk(number), drawn.double().chunk(number), strict=True)
    values = torch.stack([_mmd(a, b) for a, b in pairs])
    error = float(values.std() / number**0.5) if number > 1 else None
    return float(values.mean()), error


def _mmd(a: Float[Tensor, "n dim"], b: Float[Tensor, "m dim"]) -> Float[Tensor, ""]:
    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1).pow(3)

    def within(x: Tensor) -> Tensor:
        products = kernel(x, x)
        return (products.sum() - products.diagonal().sum()) / (len(x) * (len(x) - 1))

    return within(a) + within(b) - 2 * kernel(a, b).mean()
