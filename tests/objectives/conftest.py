from collections.abc import Callable

import pytest
import torch
from torch import nn

from ddoq.matching.labeled import Labeled
from ddoq.matching.network import FlatNetwork
from ddoq.matching.scene import Scene, View


class Small(nn.Module):
    """Two smooth layers, so that finite differences are exact."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(16, 5), nn.Linear(5, 3)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(x.flatten(1)).tanh()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.features(x))


def side(images: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None = None):
    return Labeled(images, labels, torch.ones(len(labels)) if weights is None else weights)


@pytest.fixture
def real() -> Labeled:
    """Twelve images of three classes, in double precision."""
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(12, 1, 4, 4, generator=draw, dtype=torch.float64)
    return side(images, torch.arange(12) % 3)


@pytest.fixture
def synthetic() -> Labeled:
    """Two images of each class with weights."""
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(6, 1, 4, 4, generator=draw, dtype=torch.float64)
    return side(images, torch.arange(6) % 3, torch.tensor([1.0, 2, 1, 1, 1, 3]))


@pytest.fixture
def make_scene() -> Callable[..., Scene]:
    """Return a function that makes a scene of two sides, of all classes unless some are given."""
    network = FlatNetwork(Small)
    weights = network.fresh(0).weights.double()

    def make(real: Labeled, synthetic: Labeled, *classes: int, trust: float = 0.0) -> Scene:
        chosen = torch.tensor(classes or (0, 1, 2))
        return Scene(network, View(weights, trust), chosen, lambda: real, lambda: synthetic)

    return make
