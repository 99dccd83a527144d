"""CutMix and Mixup: the choice of partners, shares and boxes, and the mixing itself."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq import keyed
from ddoq.protocols.protocol import Protocol


@dataclass(frozen=True)
class Mixing:
    """How the images of a batch are mixed: image i, to its share, with image partner[i]."""

    partner: Int[Tensor, " n"]
    share: Float[Tensor, " n"]
    box: Float[Tensor, "n 4"]
    """CutMix's box as (left, top, right, bottom) in pixels; empty for Mixup."""

    def rows(self, index: Int[Tensor, " m"]) -> "Mixing":
        """Return how the images of these rows are mixed."""
        return Mixing(self.partner[index], self.share[index], self.box[index])


def draw_mixing(
    ids: Int[Tensor, " n"], protocol: Protocol, *, seed: int, epoch: int, step: int, size: int
) -> Mixing:
    """Draw shares, boxes and partners, for each image or once for the batch as in FKD.

    The share is that of the box's real area, after it is clipped at the border.
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


def mix(
    images: Float[Tensor, "n c h w"],
    other: Float[Tensor, "n c h w"],
    mixing: Mixing,
    kind: str,
) -> Float[Tensor, "n c h w"]:
    """Mix images with their partners: paste a box of the partner (CutMix), or blend (Mixup)."""
    if kind == "mixup":
        share = mixing.share.to(images)[:, None, None, None]
        return share * images + (1 - share) * other
    left, top, right, bottom = mixing.box.to(images.device)[:, :, None, None, None].unbind(1)
    x = torch.arange(images.shape[3], device=images.device)
    y = torch.arange(images.shape[2], device=images.device)[:, None]
    is_inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    return torch.where(is_inside, other, images)
