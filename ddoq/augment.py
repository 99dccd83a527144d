"""Batched augmentation on the device, with parameters of its own for each image.

Every function takes the uniform random numbers it needs, so that what happens to an image is a
function of (seed, epoch, image) and nothing else.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ddoq import keyed
from ddoq.evaluation.protocols import Protocol

# PCA of ImageNet's colors (Krizhevsky et al. 2012), for images in [0, 1].
_EIGENVALUES = torch.tensor([0.2175, 0.0188, 0.0045])
_EIGENVECTORS = torch.tensor(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)
_GRAY = torch.tensor([0.299, 0.587, 0.114])


def resized_crop(
    images: Float[Tensor, "n c h w"],
    random: Float[Tensor, "n 5"],
    *,
    scale: tuple[float, float],
    flip: bool,
    size: int,
) -> Float[Tensor, "n c size size"]:
    """Crop a random area with an aspect ratio of 3/4 to 4/3, resize it, perhaps flip it."""
    area = scale[0] + (scale[1] - scale[0]) * random[:, 0]
    ratio = torch.exp((2 * random[:, 1] - 1) * math.log(4 / 3))
    width, height = (area * ratio).sqrt().clamp_max(1), (area / ratio).sqrt().clamp_max(1)
    zero = torch.zeros_like(width)
    mirror = torch.where(random[:, 4] < 0.5, -1.0, 1.0) if flip else torch.ones_like(width)
    # Centers in [-1, 1] such that the box stays inside.
    x = (2 * random[:, 2] - 1) * (1 - width)
    y = (2 * random[:, 3] - 1) * (1 - height)
    rows = [torch.stack([width * mirror, zero, x], 1), torch.stack([zero, height, y], 1)]
    grid = F.affine_grid(
        torch.stack(rows, 1), [len(images), images.shape[1], size, size], align_corners=False
    )
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def jitter(
    images: Float[Tensor, "n 3 h w"], random: Float[Tensor, "n 3"], strength: float
) -> Float[Tensor, "n 3 h w"]:
    """Change brightness, contrast and saturation by factors of 1 +- strength, in this order."""
    factors = (1 + strength * (2 * random - 1))[:, :, None, None, None]
    gray = _GRAY.to(images)[:, None, None]
    images = (images * factors[:, 0]).clamp(0, 1)
    mean = (images * gray).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    images = (mean + (images - mean) * factors[:, 1]).clamp(0, 1)
    luminance = (images * gray).sum(1, keepdim=True)
    return (luminance + (images - luminance) * factors[:, 2]).clamp(0, 1)


def lighting(
    images: Float[Tensor, "n 3 h w"], normals: Float[Tensor, "n 3"], strength: float
) -> Float[Tensor, "n 3 h w"]:
    """Shift the colors along the principal components of ImageNet's."""
    shift = (strength * normals * _EIGENVALUES.to(images)) @ _EIGENVECTORS.to(images).T
    return images + shift[:, :, None, None]


def augment(
    images: Float[Tensor, "n c h w"],
    ids: Int[Tensor, " n"],
    protocol: Protocol,
    *,
    seed: int,
    epoch: int,
    size: int,
) -> Float[Tensor, "n c size size"]:
    """Apply a protocol's augmentation, but for the mixing of images."""
    purpose = keyed.seed_of("augment", seed, epoch)
    random = keyed.uniform(purpose, ids, 8).to(images)
    if protocol.crop is not None:
        low, high = protocol.crop
        images = resized_crop(
            images, random[:, :5], scale=(low, high), flip=protocol.flip, size=size
        )
    elif protocol.flip:
        is_mirrored = (random[:, 4] < 0.5)[:, None, None, None]
        images = torch.where(is_mirrored, images.flip(3), images)
    if protocol.jitter and images.shape[1] == 3:
        images = jitter(images, random[:, 5:], protocol.jitter)
    if protocol.lighting and images.shape[1] == 3:
        normals = keyed.normal(keyed.seed_of("lighting", seed, epoch), ids, (3,))
        images = lighting(images, normals.to(images), protocol.lighting)
    return images


@dataclass(frozen=True)
class Mixing:
    """How the images of a batch are mixed: image i with image partner[i], to a share of i."""

    partner: Int[Tensor, " n"]
    share: Float[Tensor, " n"]
    box: Float[Tensor, "n 4"]
    """CutMix's box as (left, top, right, bottom) in pixels; empty for Mixup."""


def draw_mixing(
    ids: Int[Tensor, " n"], protocol: Protocol, *, seed: int, epoch: int, step: int, size: int
) -> Mixing:
    """Draw shares, boxes and partners: per image, or one for the batch as FKD does.

    The share is the real one, after the box is clipped at the border.
    """
    from scipy.special import betaincinv

    if protocol.mix_per == "batch":
        random = keyed.uniform(keyed.seed_of("mix", seed, epoch, step), torch.zeros(1).long(), 3)
        random = random.expand(len(ids), 3)
    else:
        random = keyed.uniform(keyed.seed_of("mix", seed, epoch), ids, 3)
    partner = keyed.permutation(len(ids), "partner", seed, epoch, step)
    alpha = protocol.mix_alpha
    share = torch.from_numpy(betaincinv(alpha, alpha, random[:, 0].double().numpy())).float()
    if protocol.mix == "mixup":
        return Mixing(partner, share, torch.zeros(len(ids), 4))
    side = (size * (1 - share).sqrt()).floor()
    x, y = (random[:, 1] * size).floor(), (random[:, 2] * size).floor()
    half = (side / 2).floor()
    corners = torch.stack([x - half, y - half, x + half, y + half], 1).clamp(0, size)
    area = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    return Mixing(partner, 1 - area / size**2, corners)


def mix(images: Float[Tensor, "n c h w"], mixing: Mixing, kind: str) -> Float[Tensor, "n c h w"]:
    """Mix the images of a batch: paste a box of the partner (CutMix) or blend (Mixup)."""
    other = images[mixing.partner.to(images.device)]
    if kind == "mixup":
        share = mixing.share.to(images)[:, None, None, None]
        return share * images + (1 - share) * other
    left, top, right, bottom = mixing.box.to(images.device)[:, :, None, None, None].unbind(1)
    x = torch.arange(images.shape[3], device=images.device)
    y = torch.arange(images.shape[2], device=images.device)[:, None]
    is_inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    return torch.where(is_inside, other, images)
