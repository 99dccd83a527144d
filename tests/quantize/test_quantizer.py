from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning import Trainer

from ddoq.data.latents import LatentStore
from ddoq.errors import IntegrityError
from ddoq.quantize.clvq import CLVQ
from ddoq.quantize.functional import assign
from ddoq.quantize.lloyd import Lloyd
from ddoq.quantize.quantization import Quantization
from ddoq.quantize.quantizer import part, quantize, quantize_class
from ddoq.world import World

SOLVERS = [Lloyd(restarts=2), CLVQ(chunk=8)]


def normals(n: int, *shape: int) -> torch.Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(n))


def quantized(latents: torch.Tensor, num_points: int, solver: object = SOLVERS[0]):
    return quantize_class(latents, solver, num_points, generator=torch.Generator().manual_seed(0))


def test_counts_and_distortion_are_those_of_the_final_cells():
    x = normals(300, 2, 3)
    result = quantized(x, 7)
    nearest, squares = assign(x.flatten(1), result["points"].flatten(1))
    assert torch.equal(result["counts"], torch.bincount(nearest))
    assert float(result["distortion"]) == pytest.approx(float(squares.mean()), rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_with_fewer_images_than_points_each_image_is_a_point(solver: object):
    x = normals(5, 2)
    result = quantized(x, 50, solver)
    assert result["counts"].tolist() == [1] * 5
    assert torch.allclose(result["points"].sort(0).values, x.sort(0).values)
    assert float(result["distortion"]) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("solver", SOLVERS)
def test_points_for_no_latents_are_dropped(solver: object):
    x = torch.tensor([[1.0]] * 6 + [[2.0]] * 2)
    result = quantized(x, 4, solver)
    assert sorted(result["points"].flatten().tolist()) == [1.0, 2.0]
    assert sorted(result["counts"].tolist()) == [2, 6]


def test_a_constant_class_is_one_point_of_mass_one():
    result = quantized(torch.full((9, 2, 2), 0.3), 3)
    assert result["counts"].tolist() == [9]
    assert float(result["distortion"]) == pytest.approx(0, abs=1e-12)


def test_a_class_without_images_has_no_points():
    result = quantized(torch.empty(0, 2, 3), 3)
    assert result["points"].shape == (0, 2, 3)
    assert (len(result["counts"]), float(result["distortion"])) == (0, 0.0)


def test_half_precision_latents_are_quantized_in_single_precision():
    x = normals(100, 4).half()
    halves, singles = quantized(x, 5), quantized(x.float(), 5)
    assert torch.equal(halves["points"], singles["points"])
    assert torch.equal(halves["counts"], singles["counts"])


numbers = st.sampled_from([-3.0, 0.0, 0.5, 0.5, 100.0])


@settings(max_examples=40)
@given(st.lists(numbers, min_size=1, max_size=20), st.integers(1, 6), st.sampled_from(SOLVERS))
def test_masses_of_any_class_sum_to_one(values: list[float], k: int, solver: object):
    result = quantized(torch.tensor(values)[:, None], k, solver)
    assert int(result["counts"].sum()) == len(values)
    assert 1 <= len(result["counts"]) <= k
    assert int(result["counts"].min()) >= 1
    assert bool(result["points"].isfinite().all())


Store = Callable[[list[torch.Tensor]], LatentStore]
Make = Callable[..., Trainer]


def run(store: LatentStore, trainer: Trainer, work: Path, num_points: int = 3) -> Quantization:
    work.mkdir(exist_ok=True)
    settings = {"images_per_class": num_points, "seed": 0, "world": World()}
    quantize(store, Lloyd(restarts=2), trainer=trainer, work=work, **settings)
    return Quantization.load(work)


def test_all_classes_are_quantized_and_put_in_order(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    classes = [normals(20, 2), normals(31, 2) + 50, normals(25, 2) - 50]
    result = run(make_store(classes), make_trainer(), tmp_path / "work")
    assert result.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert result.class_counts.tolist() == [20, 31, 25]
    assert (result.points.sum(1) / 100).round().tolist() == [0] * 3 + [1] * 3 + [-1] * 3


def test_only_the_quantization_is_left_in_the_workspace(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    run(make_store([normals(20, 2)]), make_trainer(), tmp_path / "work")
    assert [f.name for f in (tmp_path / "work").iterdir()] == ["quantization.safetensors"]


def test_a_class_does_not_depend_on_the_other_classes(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    first = normals(20, 2)
    both = run(make_store([first, normals(31, 2)]), make_trainer(), tmp_path / "both")
    (tmp_path / "latents").rename(tmp_path / "before")
    alone = run(make_store([first]), make_trainer(), tmp_path / "alone")
    assert torch.equal(both.points[:3], alone.points)


def test_a_class_that_is_there_already_is_not_done_again(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    store, work = make_store([normals(20, 2), normals(31, 2)]), tmp_path / "work"
    whole = run(store, make_trainer(), tmp_path / "whole")
    work.mkdir()
    stand_in = quantize_class(
        normals(3, 2) + 7, Lloyd(), 1, generator=torch.Generator().manual_seed(0)
    )
    from ddoq.artifacts import write_tensors

    write_tensors(part(work, 0), stand_in)
    result = run(store, make_trainer(), work)
    assert torch.equal(result.points[:1], stand_in["points"])
    assert torch.equal(result.points[1:], whole.points[3:])


def test_a_call_that_was_stopped_after_its_last_class_is_finished(
    make_store: Store, make_trainer: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store, work = make_store([normals(20, 2), normals(31, 2)]), tmp_path / "work"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Quantization, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            run(store, make_trainer(), work)
    result = run(store, make_trainer(), work)
    assert torch.equal(result.points, run(store, make_trainer(), tmp_path / "whole").points)


def test_too_few_images_are_told(make_store: Store, make_trainer: Make, tmp_path: Path):
    store = make_store([normals(20, 2), normals(2, 2)])
    with pytest.warns(UserWarning, match="1 classes have fewer than 3 images"):
        result = run(store, make_trainer(), tmp_path / "work")
    assert result.masses[result.labels == 1].tolist() == [0.5, 0.5]


def test_infinite_latents_stop_it_with_the_class_named(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    store = make_store([normals(20, 2), normals(20, 2) / 0])
    with pytest.raises(IntegrityError, match="class 1"):
        run(store, make_trainer(), tmp_path / "work")
