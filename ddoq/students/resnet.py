"""Residual networks: those of He et al., their variants for small images, and ResNetAP.

He, Zhang, Ren and Sun 2016 describe those for ImageNet and those for CIFAR (section 4.2).
Bottlenecks have the stride in their 3x3 convolution, as torchvision's do. ResNetAP has average
pooling instead of strides. It is that of IDC (Kim et al. 2022) and of Minimax Diffusion (Gu et
al. 2024).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from ddoq.errors import UsageError
from ddoq.students import residual

# The number of blocks of each stage, by depth.
_IMAGENET = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
_CIFAR = {20: (3, 3, 3), 32: (5, 5, 5), 44: (7, 7, 7), 56: (9, 9, 9)}
_POOLED = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2)}
_WITH_BOTTLENECKS = (50,)

# The largest images for a 3x3 stem without pooling, and for one that is pooled by 2.
_SMALL_IMAGE, _MIDDLE_IMAGE = 64, 128


class ResNet(nn.Module):
    """A stem, residual blocks, global average pooling and a linear classifier."""

    def __init__(self, stem: nn.Module, blocks: nn.Module, classifier: nn.Linear) -> None:
        super().__init__()
        self.stem, self.blocks, self.classifier = stem, blocks, classifier
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n dim"]:
        """Return what the classifier reads."""
        return self.blocks(self.stem(x)).mean((2, 3))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Return logits."""
        return self.classifier(self.features(x))


def resnet(
    num_classes: int,
    channels: int = 3,
    image_size: int = 32,
    *,
    depth: int = 18,
    width: int | None = None,
    norm: Literal["instance", "batch", "group", "layer", "none"] = "batch",
    stem: Literal["auto", "small", "large"] = "auto",
) -> ResNet:
    """Make a ResNet of depth 10, 18, 34 or 50, or one for CIFAR of depth 20, 32, 44 or 56.

    `width` is that of the first stage: 64, or 16 for CIFAR. A small stem is a 3x3 convolution. A
    large one has a stride and pooling as torchvision's, and is meant for images above 64 pixels.
    """
    counts = _counts("resnet", depth, {**_IMAGENET, **_CIFAR})
    of_cifar = depth in _CIFAR
    is_small = stem == "small" or (stem == "auto" and (of_cifar or image_size <= _SMALL_IMAGE))
    reduction = (1 if is_small else 4) * 2 ** (len(counts) - 1)
    _check_size("resnet", image_size, -(-image_size // reduction), norm)
    width = width or (16 if of_cifar else 64)
    block = residual.padded if of_cifar else residual.basic
    outer = width
    if depth in _WITH_BOTTLENECKS:
        block, outer = residual.bottleneck, residual.EXPANSION * width
    make_stem = residual.even_stem if is_small else residual.strided_stem
    widths = _doubling(outer, counts)
    return ResNet(
        make_stem(channels, width, norm),
        residual.stages(block, width, widths, counts, norm),
        nn.Linear(widths[-1], num_classes),
    )


def resnetap(
    num_classes: int,
    channels: int = 3,
    image_size: int = 32,
    *,
    depth: int = 10,
    width: int = 64,
    norm: Literal["instance", "batch", "group", "layer", "none"] = "instance",
) -> ResNet:
    """Make a ResNetAP of depth 10 or 18, which has average pooling instead of strides.

    The stem is a 3x3 convolution. Above 64 pixels it is pooled by 2. Above 128 pixels it is a 7x7
    convolution pooled by 4.
    """
    counts = _counts("resnetap", depth, _POOLED)
    widths = _doubling(width, counts)
    kernel = 7 if image_size > _MIDDLE_IMAGE else 3
    pooling = 4 if image_size > _MIDDLE_IMAGE else 2 if image_size > _SMALL_IMAGE else 1
    reduction = pooling * 2 ** (len(counts) - 1)
    _check_size("resnetap", image_size, image_size // reduction, norm)
    return ResNet(
        residual.even_stem(channels, width, norm, kernel=kernel, pooling=pooling),
        residual.stages(residual.pooled, width, widths, counts, norm),
        nn.Linear(widths[-1], num_classes),
    )


def _counts(name: str, depth: int, known: Mapping[int, Sequence[int]]) -> Sequence[int]:
    if depth not in known:
        raise UsageError(
            f"{name}: there is no depth {depth}", f"use one of {', '.join(map(str, sorted(known)))}"
        )
    return known[depth]


def _doubling(width: int, counts: Sequence[int]) -> list[int]:
    return [width * 2**number for number in range(len(counts))]


def _check_size(name: str, image_size: int, last: int, norm: str) -> None:
    """Refuse images that leave the last stage, with `last` pixels a side, too small."""
    if last < 1:
        raise UsageError(
            f"{name}: its poolings leave nothing of {image_size} pixels",
            "use resnet, which has strides, or larger images",
        )
    if last == 1 and norm == "instance":
        raise UsageError(
            f"{name}: of {image_size} pixels the last stage has one, so its instance norm is zero",
            "use norm=batch, or larger images",
        )
