import sys
import warnings
from pathlib import Path

import pytest
import torch
from sklearn.cluster import KMeans

from ddoq.errors import UsageError
from ddoq.quantize.faiss import Faiss, gpu_works
from ddoq.quantize.functional import assign


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blobs(n: int = 400) -> torch.Tensor:
    x = torch.randn(n, 3, generator=generator())
    return x + 9 * torch.randn(9, 3, generator=generator())[torch.arange(n) % 9]


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the interpreter that the probe starts by one that aborts."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'import os; os.abort()'\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))


def test_scikit_learn_finds_nothing_left_to_improve():
    x = blobs()
    points = Faiss(iterations=100)(x, 9, generator=generator())
    oracle = KMeans(9, init=points.numpy(), n_init=1, tol=0).fit(x.numpy())
    torch.testing.assert_close(points, torch.from_numpy(oracle.cluster_centers_))


def test_more_restarts_find_better_points():
    x = blobs()
    runs = [Faiss(restarts=r)(x, 9, generator=generator(3)) for r in (1, 2, 10)]
    one, two, ten = (float(assign(x, points)[1].mean()) for points in runs)
    assert ten < 0.8 * two < 0.8 * one


def test_one_point_is_the_mean_of_all_latents_not_of_a_sample():
    x = blobs(3000)
    point = Faiss()(x, 1, generator=generator())
    torch.testing.assert_close(point[0], x.mean(0), rtol=1e-5, atol=1e-5)


def test_as_many_points_as_latents_are_the_latents():
    x = blobs(17)
    points = Faiss()(x, 17, generator=generator())
    torch.testing.assert_close(points.sort(0).values, x.sort(0).values)


def test_the_generator_alone_decides():
    first, again, other = (Faiss()(blobs(), 9, generator=generator(s)) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_small_classes_print_nothing(capfd: pytest.CaptureFixture[str]):
    Faiss()(blobs(20), 9, generator=generator())
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("broken")
def test_a_faiss_that_aborts_on_this_card_runs_on_the_cpu_after_one_warning():
    x = blobs()
    with pytest.warns(UserWarning, match=r"exit code (-6|134)\); it runs on the CPU"):
        points = Faiss(gpu=True)(x, 9, generator=generator())
    with warnings.catch_warnings(action="error"):
        again = Faiss(gpu=True)(x, 9, generator=generator())
    assert torch.equal(points, Faiss()(x, 9, generator=generator()))
    assert torch.equal(points, again)


def test_a_probe_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    monkeypatch.setattr("ddoq.quantize.faiss._PROBE_SECONDS", 0.2)
    with pytest.warns(UserWarning, match=r"no answer in 0\.2 seconds"):
        assert not gpu_works(str(python))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_finds_points_as_good_as_the_cpu():
    pytest.importorskip("faiss")
    x = blobs()
    cpu, gpu = (Faiss(restarts=10, gpu=g)(x, 9, generator=generator()) for g in (False, True))
    least = float(assign(x, cpu)[1].mean())
    assert float(assign(x, gpu)[1].mean()) == pytest.approx(least, rel=0.01)


@pytest.mark.parametrize("settings", [{"iterations": 0}, {"restarts": 0}])
def test_zero_of_anything_is_refused(settings: dict[str, int]):
    with pytest.raises(UsageError, match="at least 1"):
        Faiss(**settings)
