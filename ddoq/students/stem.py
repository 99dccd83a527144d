"""Changes to networks made for large color images, so that they read small or other ones."""

from typing import Any

from torch import nn

# Up to this size, a stem that halves the image leaves too little of it.
SMALL_IMAGE = 64

# A convolution without stride for small images, as in the literature's networks for CIFAR.
_KERNEL, _PADDING = 3, 1


def suit_stem(net: nn.Module, image_size: int) -> None:
    """Give a net a 3x3 stem without stride or pooling, if the images are small."""
    if image_size > SMALL_IMAGE:
        return
    found = [(n, m) for n, m in net.named_modules() if isinstance(m, nn.Conv2d)]
    strided = [(n, m) for n, m in found if m.stride[0] > 1]
    # A convolution as large as its stride cuts patches, and is not a stem.
    if strided and strided[0][1].kernel_size[0] > strided[0][1].stride[0]:
        for name, one in strided:
            # Some stems have parallel branches: all convolutions with the input of the first one.
            if one.in_channels == strided[0][1].in_channels and one.groups == 1:
                one.stride = (1, 1)
                if one.kernel_size[0] > _KERNEL:
                    _replace(net, name, one, one.in_channels, _KERNEL, _PADDING)
    if isinstance(getattr(net, "maxpool", None), nn.MaxPool2d):
        net.maxpool = nn.Identity()


def read_channels(net: nn.Module, channels: int) -> None:
    """Replace the first convolution by one for `channels`, with weights of the same variance."""
    name, old = next((n, m) for n, m in net.named_modules() if isinstance(m, nn.Conv2d))
    _replace(net, name, old, channels, old.kernel_size[0], old.padding)


def _replace(
    net: nn.Module, name: str, old: nn.Conv2d, channels: int, kernel: int, padding: Any
) -> None:
    """Replace an old convolution by a new one, with weights of a variance that fits its kernel."""
    new = nn.Conv2d(
        channels,
        old.out_channels,
        kernel,
        (old.stride[0], old.stride[1]),
        padding,
        bias=old.bias is not None,
    )
    # Standard deviations scale with the root of the kernel's number of inputs, or outputs.
    if not old.weight.is_meta:
        std = old.weight.detach().std().item() * old.kernel_size[0] / kernel
        nn.init.normal_(new.weight, std=std)
    parent, _, place = name.rpartition(".")
    setattr(net.get_submodule(parent), place, new)
