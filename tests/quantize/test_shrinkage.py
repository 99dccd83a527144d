import pytest
import torch

from ddoq.quantize.shrinkage import Frame, factors, shrink


def normals(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def cells(x: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The means and counts of every k-th latent."""
    parts = [x[first::k] for first in range(k)]
    counts = torch.tensor([float(len(p)) for p in parts])
    return torch.stack([p.mean(0) for p in parts]), counts


@pytest.mark.parametrize(
    ("towards", "strength"), [("none", 3.0), ("mean", 0.0), ("directions", 0.0)]
)
def test_no_shrinkage_leaves_the_points_as_they_are(towards, strength: float):
    x = normals(30, 4)
    points, counts = cells(x, 5)
    assert torch.equal(shrink(x, points, counts, towards=towards, strength=strength), points)


def test_towards_the_mean_a_point_keeps_its_count_over_count_and_strength():
    x, points = torch.tensor([[0.0], [2.0], [10.0]]), torch.tensor([[1.0], [10.0]])
    shrunk = shrink(x, points, torch.tensor([2.0, 1.0]), towards="mean", strength=2.0)
    # The mean is 4: 4 + 2/4 * (1 - 4) and 4 + 1/3 * (10 - 4).
    torch.testing.assert_close(shrunk, torch.tensor([[2.5], [6.0]]))


BETWEEN = torch.tensor([4.0, 1.0, 0.3, 0.05])
WITHIN = torch.tensor([0.5, 1.0, 2.0, 3.0])


def hierarchical(seed: int, k: int = 60, each: int = 4):
    """Latents of cells whose means are drawn themselves; the true means; the cells' means."""
    truth = normals(k, 4, seed=2 * seed) * BETWEEN.sqrt()
    latents = truth[:, None] + normals(k, each, 4, seed=2 * seed + 1) * WITHIN.sqrt()
    return latents.flatten(0, 1), truth, latents.mean(1), torch.full((k,), float(each))


def test_in_a_hierarchical_model_directions_come_closest_to_the_true_means():
    errors = {"none": 0.0, "mean": 0.0, "directions": 0.0}
    for seed in range(10):
        x, truth, points, counts = hierarchical(seed)
        for towards in errors:
            shrunk = shrink(x, points, counts, towards=towards, strength=1.0)  # type: ignore[arg-type] # a literal
            errors[towards] += float((shrunk - truth).square().sum(1).mean()) / 10
    assert errors["directions"] < 0.85 * errors["mean"]
    assert errors["mean"] < 0.95 * errors["none"]


def test_in_a_hierarchical_model_the_factors_are_those_of_empirical_bayes():
    x, _, points, counts = hierarchical(0, k=4000, each=4)
    frame = Frame.of(x)
    found = factors(frame, frame.coordinates(points), counts, towards="directions", strength=1.0)
    # Of each axis, by the direction that lies along it.
    along = frame.directions.abs().argmax(1)
    expected = 4 * BETWEEN / (4 * BETWEEN + WITHIN)
    torch.testing.assert_close(found[0, along], expected, atol=0.05, rtol=0)


def test_points_of_more_latents_are_shrunk_less():
    x = normals(40, 3)
    frame = Frame.of(x)
    points, counts = torch.ones(3, 3), torch.tensor([1.0, 4.0, 16.0])
    for towards in ("mean", "directions"):
        remains = factors(frame, points, counts, towards=towards, strength=1.0)  # type: ignore[arg-type] # a literal
        assert bool((remains.diff(dim=0) >= 0).all())


@pytest.mark.parametrize(("num", "dim"), [(30, 4), (6, 20)])
@pytest.mark.parametrize("k", [1, 3, 6])
@pytest.mark.parametrize("towards", ["mean", "directions"])
def test_shrunk_points_are_finite_and_no_farther_from_the_mean(num, dim, k, towards):
    x = normals(num, dim)
    points, counts = cells(x, k)
    shrunk = shrink(x, points, counts, towards=towards, strength=1.0)
    before, after = ((p - x.mean(0)).norm(dim=1) for p in (points, shrunk))
    assert bool((after <= before + 1e-5).all())


@pytest.mark.parametrize(("num", "dim"), [(30, 4), (6, 20)])
def test_points_that_are_the_latents_have_no_variance_within_and_stay(num: int, dim: int):
    x = normals(num, dim)
    shrunk = shrink(x, x, torch.ones(num), towards="directions", strength=1.0)
    torch.testing.assert_close(shrunk, x, atol=1e-3, rtol=0)


@pytest.mark.parametrize("towards", ["mean", "directions"])
def test_a_constant_class_stays_where_it_is(towards):
    x = torch.full((9, 2), 0.3)
    shrunk = shrink(x, x[:1], torch.tensor([9.0]), towards=towards, strength=1.0)
    torch.testing.assert_close(shrunk, x[:1])


def test_one_point_is_the_mean_and_stays_there():
    x = normals(30, 4) + 5
    points, counts = cells(x, 1)
    torch.testing.assert_close(
        shrink(x, points, counts, towards="directions", strength=9.0), points
    )


@pytest.mark.parametrize(("num", "dim"), [(30, 4), (6, 20)])
def test_a_frame_holds_the_latents_and_returns_them(num: int, dim: int):
    x = normals(num, dim) + 7
    frame = Frame.of(x)
    torch.testing.assert_close(
        frame.center + frame.steps(frame.coordinates(x)), x, atol=1e-4, rtol=0
    )
    torch.testing.assert_close(frame.variances.sum(), x.var(0, correction=0).sum())


@pytest.mark.parametrize(("num", "dim"), [(30, 4), (6, 20)])
def test_the_directions_of_a_frame_are_orthonormal(num: int, dim: int):
    directions = Frame.of(normals(num, dim)).directions
    torch.testing.assert_close(
        directions.T @ directions, torch.eye(min(num - 1, dim)), atol=1e-4, rtol=0
    )
