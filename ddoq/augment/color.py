"""Changes of color: jitter as in IDC and Minimax Diffusion, lighting as in AlexNet."""

import torch
from jaxtyping import Float
from torch import Tensor

# PCA of ImageNet's colors (Krizhevsky et al. 2012), for images in [0, 1].
_EIGENVALUES = torch.tensor([0.2175, 0.0188, 0.0045])
_EIGENVECTORS = torch.tensor(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)
_GRAY = torch.tensor([0.299, 0.587, 0.114])


def jitter(
    images: Float[Tensor, "n 3 h w"], random: Float[Tensor, "n 3"], strength: float
) -> Float[Tensor, "n 3 h w"]:
    """Blend each image with black, its mean gray and its own gray.

    Shares are drawn from +-strength; negative ones move away. Nothing is clamped, so the order,
    which the source draws at random, makes no difference.
    """
    shares = strength * (2 * random.to(images) - 1)
    black, level, own = shares[:, :, None, None, None].unbind(1)
    gray = (images * _GRAY.to(images)[:, None, None]).sum(1, keepdim=True)
    images = images + own * (gray - images)
    images = images + level * (gray.mean((2, 3), keepdim=True) - images)
    return (1 - black) * images


def lighting(
    images: Float[Tensor, "n 3 h w"], normals: Float[Tensor, "n 3"], strength: float
) -> Float[Tensor, "n 3 h w"]:
    """Shift the colors along the principal components of ImageNet's colors."""
    shift = (strength * normals.to(images) * _EIGENVALUES.to(images)) @ _EIGENVECTORS.to(images).T
    return images + shift[:, :, None, None]
