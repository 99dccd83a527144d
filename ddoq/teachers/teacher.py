"""Teachers: frozen classifiers that know the classes of their outputs."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ddoq.errors import DataError, UsageError

Precision = Literal["float32", "bfloat16"]


class Teacher(nn.Module):
    """A frozen classifier of images in [0, 1], whose logits are gathered by class id.

    `dtype` is the precision in which it computes logits; its weights are in single precision.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        class_ids: tuple[str, ...],
        mean: tuple[float, ...],
        std: tuple[float, ...],
        image_size: int,
        dtype: Precision = "float32",
    ) -> None:
        super().__init__()
        self.net = net.eval().requires_grad_(False)
        self.dtype = dtype
        # The layout in which convolutions in half precision are fastest.
        self._layout = torch.channels_last if dtype == "bfloat16" else torch.contiguous_format
        self.net.to(memory_format=self._layout)
        self.class_ids, self.image_size = class_ids, image_size
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])
        self.register_buffer("wanted", torch.arange(len(class_ids)))

    def for_classes(self, class_ids: tuple[str, ...]) -> "Teacher":
        """Restrict the logits to these classes, in this order."""
        missing = [c for c in class_ids if c not in self.class_ids]
        if missing:
            raise DataError(
                f"the teacher does not know the classes {', '.join(missing[:5])}",
                "train one on your images: teacher.source=pretrain",
            )
        self.wanted = torch.tensor([self.class_ids.index(c) for c in class_ids])
        return self

    def train(self, mode: bool = True) -> "Teacher":
        """Stay in evaluation mode, as a teacher is frozen."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Return the logits of the wanted classes."""
        # Labels do not depend on the precision in which a student is trained.
        is_half = self.dtype == "bfloat16"
        with torch.autocast(images.device.type, torch.bfloat16, enabled=is_half):
            seen = self._seen(images).contiguous(memory_format=self._layout)
            return self.net(seen)[:, self.wanted].float()

    @torch.no_grad()
    def features(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n dim"]:
        """Return the input of the classifier, by the network's own method `features`."""
        if not hasattr(self.net, "features"):
            raise UsageError(
                f"the teacher's network {type(self.net).__name__} has no `features`",
                "use one of ddoq's own networks, or give yours that method",
            )
        with torch.autocast(images.device.type, enabled=False):
            return self.net.features(self._seen(images))  # type: ignore[operator] # a method

    def maps(self, images: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n ..."]]:
        """Return the network's last feature map of each resolution, with gradients."""
        with torch.autocast(images.device.type, enabled=False):
            return feature_maps(self.net, self._seen(images))

    def _seen(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c side side"]:
        """Return images resized and normalized for the network."""
        if images.shape[-1] != self.image_size:
            size = (self.image_size, self.image_size)
            images = F.interpolate(images, size=size, mode="bilinear", antialias=True)
        return (images.float() - self.mean) / self.std  # type: ignore[operator] # buffers


def feature_maps(net: nn.Module, x: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n ..."]]:
    """Return the last map of each resolution that some layer of a convolutional network returns."""
    found: dict[tuple[int, ...], Tensor] = {}

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            found[tuple(output.shape[2:])] = output

    leaves = [module for module in net.modules() if not list(module.children())]
    hooks = [leaf.register_forward_hook(keep) for leaf in leaves]
    try:
        net(x)
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        raise UsageError(
            f"the teacher's network {type(net).__name__} has no feature maps",
            "use a convolutional network for it",
        )
    return list(found.values())
