"""How good images are: FID, KID, precision and recall in a network's features; a teacher's verdict.

`real` are features of real images, `drawn` those of a prior's samples or of a synthetic set.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ddoq.data.conversion import as_floats

# Nearest neighbors are found for so many rows at a time.
_ROWS = 1024


def features_of(
    network: Callable[[Tensor], Tensor], batches: Iterable[Tensor]
) -> Float[Tensor, "n dim"]:
    """Return a network's features of images, on the CPU."""
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


def precision(
    real: Float[Tensor, "n dim"], drawn: Float[Tensor, "m dim"], *, neighbors: int = 3
) -> float:
    """Return the share of `drawn` among `real` (Kynkäänniemi et al. 2019, equations 1 and 2).

    Around each real row lies a ball that reaches to its `neighbors`-th nearest other real row.
    Rows within any ball count.
    """
    if len(real) <= neighbors:
        raise ValueError(f"{len(real)} rows have no {neighbors}-th nearest other row")
    # Distances do not depend on the origin, but lose fewer digits near it.
    center = real.double().mean(0)
    return _covered(drawn.double() - center, real.double() - center, neighbors)


def recall(
    real: Float[Tensor, "n dim"], drawn: Float[Tensor, "m dim"], *, neighbors: int = 3
) -> float:
    """Return the share of `real` among `drawn`: precision with both sides exchanged.

    It depends on the number of images drawn, as few have large balls.
    """
    return precision(drawn, real, neighbors=neighbors)


def _covered(points: Tensor, centers: Tensor, neighbors: int) -> float:
    """Return the share of points within a ball around some center."""
    # A row is its own nearest one, so one more is counted.
    near = [
        torch.cdist(x, centers).topk(neighbors + 1, largest=False) for x in centers.split(_ROWS)
    ]
    reach = torch.cat([found.values[:, -1] for found in near])
    inside = [(torch.cdist(x, centers) <= reach).any(1) for x in points.split(_ROWS)]
    return float(torch.cat(inside).double().mean())


def in_class(
    teacher: Callable[[Tensor], Tensor],
    images: UInt8[Tensor, "n c h w"] | Float[Tensor, "n c h w"],
    labels: Int[Tensor, " n"],
    *,
    batch_size: int = 256,
) -> float:
    """Return the share of images that a teacher puts in their class."""
    parts = zip(images.split(batch_size), labels.split(batch_size), strict=True)
    right = [teacher(_moved(x, teacher)).argmax(1).cpu() == y for x, y in parts]
    return float(torch.cat(right).float().mean())


def _moved(images: Tensor, teacher: Any) -> Float[Tensor, "n c h w"]:
    device = next(iter(teacher.buffers()), images).device
    floats = as_floats(images) if images.dtype == torch.uint8 else images
    return floats.to(device)
