"""The normalizations that may follow a convolution."""

from torch import nn


def norm_of(kind: str, width: int) -> nn.Module:
    """Return a new normalization of `width` channels."""
    kinds = {
        "instance": lambda: nn.GroupNorm(width, width),
        "batch": lambda: nn.BatchNorm2d(width),
        "group": lambda: nn.GroupNorm(max(1, width // 8), width),
        "layer": lambda: nn.GroupNorm(1, width),
        "none": nn.Identity,
    }
    return kinds[kind]()
