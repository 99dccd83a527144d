"""Preconditioning, training loss and noise levels of EDM (Karras, Aittala, Aila and Laine 2022)."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

# From a scaled input and a noise condition to the network's output F.
Preconditioned = Callable[[Tensor, Tensor], Tensor]


def denoised(
    network: Preconditioned,
    x: Float[Tensor, "n c h w"],
    sigma: Float[Tensor, " n"],
    *,
    sigma_data: float,
) -> Float[Tensor, "n c h w"]:
    """Return the clean images that a preconditioned network predicts (Eq. 7)."""
    level = sigma[:, None, None, None]
    total = level.square() + sigma_data**2
    skip, scale = sigma_data**2 / total, level * sigma_data / total.sqrt()
    # The output of a network in lower precision is added up in single precision.
    return skip * x + scale * network(x / total.sqrt(), sigma.log() / 4).float()


def loss(
    network: Preconditioned,
    clean: Float[Tensor, "n c h w"],
    noise: Float[Tensor, "n c h w"],
    sigma: Float[Tensor, " n"],
    *,
    sigma_data: float,
) -> Float[Tensor, " n"]:
    """Return each image's denoising error, weighted so that all levels count alike (Eq. 8)."""
    noisy = clean + sigma[:, None, None, None] * noise
    error = denoised(network, noisy, sigma, sigma_data=sigma_data) - clean
    weight = (sigma.square() + sigma_data**2) / (sigma * sigma_data).square()
    return weight * error.square().mean((1, 2, 3))


def training_levels(normal: Float[Tensor, " n"], *, mean: float, std: float) -> Float[Tensor, " n"]:
    """Turn standard normal numbers into the noise levels of a training step (Table 1)."""
    return (normal * std + mean).exp()


def levels(
    steps: int, *, sigma_min: float, sigma_max: float, rho: float = 7.0
) -> Float[Tensor, " levels"]:
    """Return the falling noise levels of a sampler, which end with 0 (Eq. 5)."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    falling = (high + ramp * (low - high)) ** rho
    return torch.cat([falling, torch.zeros(1, dtype=torch.float64)]).float()
