"""The distance of images in a classifier's feature maps (LPIPS, Zhang et al. 2018)."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ddoq.errors import UsageError

# From images in [0, 1] to feature maps of several resolutions.
Maps = Callable[[Tensor], list[Tensor]]


def maps_of(teacher: Any) -> Maps:
    """Return a teacher's feature maps, or refuse one that gives none."""
    if not hasattr(teacher, "maps"):
        raise UsageError(
            f"pretrain.autoencoder.perceptual: the teacher {type(teacher).__name__} has no `maps`",
            "give it that method, from images in [0, 1] to feature maps; or set perceptual=0",
        )
    return teacher.maps


def distance(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Return the mean over maps of the squared distance of unit vectors, averaged over places.

    It is LPIPS with all channels weighted alike, in features that know these images' classes.
    """
    parts = [
        (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(1).mean()
        for a, b in zip(found, wanted, strict=True)
    ]
    return torch.stack(parts).mean()
