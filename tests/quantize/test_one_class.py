import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ddoq.errors import IntegrityError
from ddoq.quantize.clvq import CLVQ
from ddoq.quantize.functional import assign
from ddoq.quantize.lloyd import Lloyd
from ddoq.quantize.one_class import Shrinkage, finish_class, quantize_class

SOLVERS = [Lloyd(restarts=2), CLVQ(chunk=8)]


def normals(n: int, *shape: int) -> torch.Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(n))


def quantized(latents, num_points: int, solver: object = SOLVERS[0], **settings):
    generator = torch.Generator().manual_seed(0)
    return quantize_class(latents, solver, num_points, generator=generator, **settings)


def test_counts_masses_and_distortion_are_those_of_the_final_cells():
    x = normals(300, 2, 3)
    result = quantized(x, 7)
    nearest, squares = assign(x.flatten(1), result["points"].flatten(1))
    assert torch.equal(result["counts"], torch.bincount(nearest))
    torch.testing.assert_close(result["masses"], result["counts"] / 300.0, check_dtype=False)
    assert float(result["distortions"]) == pytest.approx(float(squares.mean()), rel=1e-5)
    assert result["requested"].tolist() == [7]


def test_shrunk_points_are_judged_by_their_own_cells():
    x = normals(100, 3)
    plain = quantized(x, 9)
    result = quantized(x, 9, shrinkage=Shrinkage("mean", 4.0))
    factor = plain["counts"] / (plain["counts"] + 4.0)
    expected = x.mean(0) + factor[:, None] * (plain["points"] - x.mean(0))
    torch.testing.assert_close(result["points"], expected)
    nearest, squares = assign(x, result["points"])
    assert torch.equal(result["counts"], torch.bincount(nearest, minlength=9))
    assert float(result["distortions"]) == pytest.approx(float(squares.mean()), rel=1e-5)


@pytest.mark.parametrize("shrinkage", [Shrinkage("none", 5.0), Shrinkage("directions", 0.0)])
def test_no_shrinkage_changes_nothing(shrinkage: Shrinkage):
    plain, result = quantized(normals(50, 3), 6), quantized(normals(50, 3), 6, shrinkage=shrinkage)
    assert all(torch.equal(result[name], plain[name]) for name in plain)


@pytest.mark.parametrize("num_points", [5, 50])
@pytest.mark.parametrize("solver", SOLVERS)
def test_with_no_more_images_than_points_each_image_is_a_point(solver: object, num_points: int):
    x = normals(5, 2)
    result = quantized(x, num_points, solver)
    assert result["counts"].tolist() == [1] * 5
    assert torch.allclose(result["points"].sort(0).values, x.sort(0).values)
    assert float(result["distortions"]) == pytest.approx(0, abs=1e-10)
    assert result["requested"].tolist() == [num_points]


def test_one_image_is_one_point():
    result = quantized(normals(1, 2, 3), 4)
    assert torch.equal(result["points"], normals(1, 2, 3))
    assert (result["masses"].tolist(), result["distortions"].tolist()) == ([1.0], [0.0])


@pytest.mark.parametrize("solver", SOLVERS)
def test_points_for_no_latents_are_dropped(solver: object):
    x = torch.tensor([[1.0]] * 6 + [[2.0]] * 2)
    result = quantized(x, 4, solver)
    assert sorted(result["points"].flatten().tolist()) == [1.0, 2.0]
    assert sorted(result["counts"].tolist()) == [2, 6]


@pytest.mark.parametrize("products", ["held", "asked"])
@pytest.mark.parametrize("shift", [0.0, 4096.0])
def test_copies_of_three_latents_are_three_points(products, shift: float):
    x = torch.arange(3.0).repeat(20)[:, None] * torch.ones(4) + shift
    result = quantized(x, 5, Lloyd(products=products))
    assert sorted(result["points"][:, 0].tolist()) == [shift, shift + 1, shift + 2]
    assert result["counts"].tolist() == [20, 20, 20]
    assert float(result["distortions"]) == 0


def test_a_constant_class_is_one_point_of_mass_one():
    result = quantized(torch.full((9, 2, 2), 0.3), 3)
    assert result["counts"].tolist() == [9]
    assert float(result["distortions"]) == pytest.approx(0, abs=1e-12)


def test_a_class_without_images_has_no_points():
    for result in (
        quantized(torch.empty(0, 2, 3), 3),
        finish_class(torch.empty(0, 2, 3), torch.empty(0, 6), 3),
    ):
        assert result["points"].shape == (0, 2, 3)
        assert (len(result["counts"]), float(result["distortions"])) == (0, 0.0)


def test_half_precision_latents_are_quantized_in_single_precision():
    x = normals(100, 4).half()
    halves, singles = quantized(x, 5), quantized(x.float(), 5)
    assert torch.equal(halves["points"], singles["points"])
    assert torch.equal(halves["counts"], singles["counts"])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_the_first_row_that_is_not_finite_is_named(value: float):
    x = normals(9000, 2, 2)
    x[[8999, 8500], 1, 0] = value
    with pytest.raises(IntegrityError, match="row 8500 has latents that are not finite"):
        quantized(x, 3)


def test_finite_latents_whose_sum_overflows_are_not_refused():
    assert len(quantized(torch.full((3, 2), 3e38), 4)["points"]) == 1


numbers = st.sampled_from([-3.0, 0.0, 0.5, 0.5, 100.0])


@settings(max_examples=40)
@given(st.lists(numbers, min_size=1, max_size=20), st.integers(1, 6), st.sampled_from(SOLVERS))
def test_masses_of_any_class_sum_to_one(values: list[float], k: int, solver: object):
    result = quantized(torch.tensor(values)[:, None], k, solver)
    assert int(result["counts"].sum()) == len(values)
    assert 1 <= len(result["counts"]) <= k
    assert float(result["masses"].sum()) == pytest.approx(1)
    assert bool(result["points"].isfinite().all())
