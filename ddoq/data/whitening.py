"""ZCA whitening of the real training images, as MTT's code takes it from Kornia.

C is the covariance of the pixels (divided by n - 1), and U S U' its eigendecomposition. Images are
whitened by `U (S + eps)^(-1/2) U'`, and restored by `U (S + eps)^(1/2) U'`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.data.preprocessing import ZCA
from ddoq.errors import ResourceError
from ddoq.files.stage import Stage

if TYPE_CHECKING:
    from ddoq.run import Run

WHITENING = Stage("whitening", 1)
EPS = 0.1
# Numbers of an image, as 64 x 64 in color. The time grows with the third power, and four square
# matrices of these 8-byte numbers are in memory: 5 GB.
_MOST = 3 * 64**2


def whitening(batches: Iterable[Float[Tensor, "_ c h w"]], dim: int, *, eps: float = EPS) -> ZCA:
    """Return the whitening of images in [0, 1], of `dim` numbers each, read batch by batch."""
    if dim > _MOST:
        raise ResourceError(
            f"whitening images of {dim} numbers takes {dim}^2 numbers in memory several times",
            f"whiten images of at most {_MOST} numbers: data.image_size=64 or below",
        )
    mean, covariance = moments(batches, dim)
    values, vectors = torch.linalg.eigh(covariance)
    # Rounding may leave a value of 0 just below it.
    values = values.clamp(min=0) + eps
    matrix, back = (((vectors * values**power) @ vectors.T).float() for power in (-0.5, 0.5))
    return ZCA(matrix, back, mean.float())


def moments(
    batches: Iterable[Float[Tensor, "_ c h w"]], dim: int
) -> tuple[Float[Tensor, " dim"], Float[Tensor, "dim dim"]]:
    """Return the mean and the covariance in double precision, with one batch in memory."""
    total, products, count = torch.zeros(dim).double(), torch.zeros(dim, dim).double(), 0
    for images in batches:
        # About the middle of the range, so that little is lost when the mean is taken away.
        x = images.flatten(1).double() - 0.5
        total += x.sum(0)
        products.addmm_(x.T, x)
        count += len(x)
    mean = total / count
    covariance = (products - count * torch.outer(mean, mean)) / (count - 1)
    return mean + 0.5, covariance


def whitening_key(run: "Run") -> dict[str, Any]:
    """Return what determines a run's whitening: all its training images, also if it is narrowed."""
    return {"images": run.whole.images.fingerprint, "eps": EPS}
