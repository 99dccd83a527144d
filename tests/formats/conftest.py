from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ddoq.data.digits import Digits
from ddoq.data.images import Images
from ddoq.data.preprocessing import ZCA
from ddoq.data.whitening import whitening
from ddoq.formats.named import Data


@pytest.fixture(scope="session")
def digits() -> Images:
    """Return the digits."""
    return Images(Digits())


@pytest.fixture(scope="session")
def zca(digits: Images) -> ZCA:
    """Return the digits' whitening."""
    return whitening([digits.pixels("train") / 255], 64)


@pytest.fixture(scope="session")
def data(digits: Images, zca: ZCA) -> Data:
    """Return the digits as data that a set is scored on."""
    return Data(digits, lambda: zca, lambda: zca)


@pytest.fixture(scope="session")
def some(digits: Images) -> tuple[Tensor, Tensor]:
    """Return two training images of each digit, in 8 bits, and their labels."""
    rows = torch.cat([digits.train.of_class(label)[:2] for label in range(10)])
    return digits.some("train", rows), digits.train.labels[rows]


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that saves something as torch does, and returns the file."""

    def save(held: object, name: str = "set.pt") -> Path:
        torch.save(held, tmp_path / name)
        return tmp_path / name

    return save
