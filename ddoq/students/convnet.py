"""The literature's ConvNet-D: D blocks of convolution, normalization, ReLU and pooling.

It is from Gidaris and Komodakis 2018. Dataset distillation has used it since Zhao, Mopuri and
Bilen 2021.
"""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from ddoq.errors import UsageError
from ddoq.students.norms import norm_of


class ConvNet(nn.Module):
    """ConvNet-D with 3x3 convolutions of one width and average or max pooling by 2."""

    def __init__(
        self,
        num_classes: int,
        channels: int = 3,
        image_size: int = 32,
        *,
        depth: int = 3,
        width: int = 128,
        norm: Literal["instance", "batch", "group", "layer", "none"] = "instance",
        pooling: Literal["average", "max", "none"] = "average",
    ) -> None:
        super().__init__()
        size = image_size if pooling == "none" else image_size >> depth
        if size < 1:
            raise UsageError(
                f"convnet: {depth} poolings leave nothing of {image_size} pixels",
                f"use depth={image_size.bit_length() - 1} or less",
            )
        pools = {"average": lambda: nn.AvgPool2d(2), "max": lambda: nn.MaxPool2d(2)}
        layers: list[nn.Module] = []
        for number in range(depth):
            inputs = channels if number == 0 else width
            layers += [
                nn.Conv2d(inputs, width, 3, padding=1),
                norm_of(norm, width),
                nn.ReLU(inplace=True),
            ]
            layers += [pools[pooling]()] if pooling != "none" else []
        self.blocks = nn.Sequential(*layers)
        self.classifier = nn.Linear(width * size * size, num_classes)

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n dim"]:
        """Return what the classifier reads."""
        return self.blocks(x).flatten(1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Return logits."""
        return self.classifier(self.features(x))
