import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "quantizer"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="benchmarks are not in the sdist")


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_distortion_and_share_are_those_of_all_differences_even_far_from_the_origin():
    rng = np.random.default_rng(0)
    latents = (rng.normal(size=(1500, 12)) + 1000).astype(np.float32)
    points = latents[:7] + 0.5
    squares = np.square(latents[:, None].astype(np.float64) - points.astype(np.float64)).sum(2)
    measure = module("measure")
    assert measure.distortion(latents, points) == pytest.approx(squares.min(1).mean(), rel=1e-12)
    masses = np.bincount(squares.argmin(1), minlength=7) / 1500
    assert measure.effective_share(latents, points) == pytest.approx(1 / (7 * (masses**2).sum()))
