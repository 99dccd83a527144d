"""Sets and runs to export, and a Python in which ddoq cannot be imported."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ddoq import recipe
from ddoq.synthetic import SyntheticSet

_ALONE = """
import runpy, sys
sys.modules["ddoq"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

Alone = Callable[..., str]


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """Return a function that runs a script without ddoq, and returns what it prints."""
    listed = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    others = [p for p in listed if not (Path(p) / "ddoq").is_dir()]
    home = str(tmp_path_factory.mktemp("huggingface"))
    own = {"PYTHONPATH": os.pathsep.join(others), "HF_HOME": home, "HF_HUB_OFFLINE": "1"}
    environment = {**os.environ, **own, "OMP_NUM_THREADS": "1"}

    def run(script: Path | str, *arguments: Path | str) -> str:
        command = [sys.executable, "-c", _ALONE, str(script), *map(str, arguments)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def color_set() -> SyntheticSet:
    """Six 3x8x8 images of three classes in no order, with targets."""
    levels = torch.arange(6 * 3 * 64).mul(37).remainder(256).to(torch.uint8)
    return SyntheticSet(
        images=levels.reshape(6, 3, 8, 8),
        labels=torch.tensor([2, 0, 1, 0, 2, 1]),
        weights=torch.tensor([0.1, 1 / 3, 1.0, 0.0, 7.5, 2.0], dtype=torch.float64),
        class_names=("ten", "two", "one"),
        class_ids=("10", "2", "1"),
        targets=torch.arange(18.0).reshape(6, 3).softmax(1),
        hints={"lr": 0.02},
        provenance={"distiller": "mine", "licenses": {"prior /home/me/weights": "mit"}},
    )


@pytest.fixture
def float_set(color_set: SyntheticSet) -> SyntheticSet:
    """The same as a learned set, whose images leave [0, 1]."""
    images = color_set.images / 200 - 0.05
    return replace(color_set, images=images, space="image")


@pytest.fixture
def digits_run(tmp_path: Path) -> Path:
    """The folder of a run on the digits under soft labels, without any training."""
    folder = tmp_path / "run"
    folder.mkdir()
    wanted = recipe.read(["recipe=digits", "protocols=[small, small_hard]"]).recipe
    wanted.save(folder / "recipe.yaml")
    digits = torch.arange(20).remainder(10)
    images = torch.arange(20 * 64).remainder(251).to(torch.uint8).reshape(20, 1, 8, 8)
    ids = tuple(map(str, range(10)))
    SyntheticSet(images, digits, torch.ones(20), ids, ids).save(folder / "synthetic")
    return folder
