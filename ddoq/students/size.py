"""The size of a network, and the cost of running it."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ddoq.students.trial import try_on


@dataclass(frozen=True)
class NetworkSize:
    """The size and cost of a network."""

    parameters: int
    multiply_adds: int
    """Those of convolutions and matrix products, for one image."""
    features: int | None
    """How many numbers its classifier reads; None if no single layer returns the logits."""


def size_of(
    net: nn.Module, name: str, *, num_classes: int, channels: int, image_size: int
) -> NetworkSize:
    """Run a network on one image and count."""
    image = torch.zeros(1, channels, image_size, image_size)
    counter = FlopCounterMode(display=False)
    # Other kinds of attention are not counted on a CPU.
    with sdpa_kernel(SDPBackend.MATH), counter:
        try_on(net, name, image)
    return NetworkSize(
        parameters=sum(p.numel() for p in net.parameters()),
        multiply_adds=counter.get_total_flops() // 2,
        features=_num_features(net, num_classes),
    )


def _num_features(net: nn.Module, num_classes: int) -> int | None:
    found = None
    for module in net.modules():
        if isinstance(module, nn.Linear) and module.out_features == num_classes:
            found = module.in_features
        if isinstance(module, nn.Conv2d) and module.out_channels == num_classes:
            found = module.in_channels
    return found
