"""Every test and doctest runs in a scratch folder, on one thread."""

import os
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _in_scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Write caches and runs there, never into the checkout; doctests share one cache."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("scratch"))
    torch.set_num_threads(1)
    yield
    os.chdir(before)
