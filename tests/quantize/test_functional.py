import math

import ot
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.cluster import KMeans

from ddoq.quantize import functional


def normals(n: int, dim: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def distortion(latents: torch.Tensor, points: torch.Tensor) -> float:
    return float(functional.assign(latents, points)[1].double().mean())


def test_the_matrix_form_of_the_distance_is_the_distance():
    x, points = normals(50, 3), normals(7, 3, seed=1)
    expected = torch.cdist(x.double(), points.double()).square().float()
    torch.testing.assert_close(functional.squared_distances(x, points), expected)


def test_a_distance_is_never_negative():
    x = normals(200, 5) * 1e3
    assert float(functional.squared_distances(x, x).min()) == 0


def test_the_distance_to_a_nearby_point_keeps_its_digits():
    x = torch.tensor([[1000.0, 1000.0]])
    _, squares = functional.assign(x, x + 2**-10)
    assert float(squares) == 2 * 2**-20


def test_each_latent_is_assigned_to_its_nearest_point():
    x, points = normals(9000, 2), normals(5, 2, seed=1)
    nearest, squares = functional.assign(x, points)
    exact = (x[:, None] - points).square().sum(2)
    assert torch.equal(nearest, exact.argmin(1))
    torch.testing.assert_close(squares, exact.min(1).values)


def test_a_point_without_latents_stays_where_it_is():
    x, points = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [9.0]])
    means, counts = functional.cell_means(x, torch.tensor([0, 0]), points)
    assert means.tolist() == [[2.0], [9.0]]
    assert counts.tolist() == [2, 0]


def test_starting_points_are_distinct_latents():
    x = torch.arange(20.0)[:, None]
    start = functional.plus_plus(x, 20, torch.Generator().manual_seed(0))
    assert torch.equal(start.flatten().sort().values, x.flatten())


def test_starting_points_fall_into_clusters_that_are_far_apart():
    centers = 100 * torch.arange(8.0)[:, None]
    x = (centers + normals(8, 30)).reshape(-1, 1)
    start = functional.plus_plus(x, 8, torch.Generator().manual_seed(0))
    assert sorted((start / 100).round().flatten().tolist()) == list(range(8))


def test_equal_latents_can_start_any_number_of_points():
    start = functional.plus_plus(torch.ones(3, 2), 3, torch.Generator().manual_seed(0))
    assert torch.equal(start, torch.ones(3, 2))


@pytest.mark.parametrize("num_points", [1, 2, 5])
def test_lloyd_finds_the_optimal_points_of_the_unit_interval(num_points: int):
    x = ((torch.arange(20_000) + 0.5) / 20_000)[:, None]
    points = functional.lloyd(x, x[: num_points * 9 : 9], max_iterations=400)
    optimal = (2 * torch.arange(num_points) + 1) / (2 * num_points)
    torch.testing.assert_close(points.flatten().sort().values, optimal, atol=2e-3, rtol=0)
    assert distortion(x, points) == pytest.approx(1 / (12 * num_points**2), rel=1e-3)


def test_lloyd_finds_the_two_optimal_points_of_a_normal_distribution():
    shares = (torch.arange(20_000).double() + 0.5) / 20_000
    x = torch.from_numpy(norm.ppf(shares.numpy())).float()[:, None]
    points = functional.lloyd(x, x[[500, 700]], max_iterations=100)
    best = math.sqrt(2 / math.pi)
    assert sorted(points.flatten().tolist()) == pytest.approx([-best, best], abs=1e-3)
    assert distortion(x, points) == pytest.approx(1 - 2 / math.pi, abs=1e-3)


coordinates = st.floats(-100, 100, width=32)
clouds = st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=24)


@given(clouds, st.integers(1, 8))
def test_a_lloyd_step_never_raises_the_distortion(cloud: list[tuple[float, float]], k: int):
    x = torch.tensor(cloud)
    points = x[torch.arange(k) % len(x)]
    for _ in range(4):
        before = distortion(x, points)
        points = functional.lloyd(x, points, max_iterations=1)
        assert distortion(x, points) <= before * (1 + 1e-5) + 1e-9


@given(clouds, st.integers(1, 8))
def test_at_the_fixpoint_each_point_is_the_mean_of_its_cell(
    cloud: list[tuple[float, float]], k: int
):
    x = torch.tensor(cloud)
    points = functional.lloyd(x, x[torch.arange(k) % len(x)], max_iterations=100)
    means, _ = functional.cell_means(x, functional.assign(x, points)[0], points)
    torch.testing.assert_close(means, points, atol=1e-3, rtol=1e-4)


def test_lloyd_comes_to_the_same_fixpoint_as_scikit_learn():
    x = normals(600, 5)
    start = x[:12]
    theirs = KMeans(12, init=start.numpy(), n_init=1, tol=0, max_iter=300).fit(x.numpy())
    ours = functional.lloyd(x, start, max_iterations=300)
    torch.testing.assert_close(ours, torch.from_numpy(theirs.cluster_centers_))


def test_relabeled_starting_points_end_in_relabeled_points():
    x, order = normals(300, 3), torch.tensor([2, 0, 3, 1])
    points = functional.lloyd(x, x[:4], max_iterations=300)
    assert torch.equal(functional.lloyd(x, x[:4][order], max_iterations=300), points[order])


def test_the_order_of_the_data_does_not_matter():
    x = normals(300, 3)
    points = functional.lloyd(x, x[:4], max_iterations=300)
    torch.testing.assert_close(functional.lloyd(x.flip(0), x[:4], max_iterations=300), points)


def test_a_point_that_lost_its_cell_is_put_on_the_farthest_latent():
    x = torch.tensor([[0.0], [1.0], [10.0]])
    points = functional.lloyd(x, torch.tensor([[0.5], [500.0]]), max_iterations=10)
    assert sorted(points.flatten().tolist()) == [0.5, 10.0]


def exact_w2_squared(x: torch.Tensor, points: torch.Tensor, masses: torch.Tensor) -> float:
    costs = ot.dist(x.double().numpy(), points.double().numpy())
    return float(ot.emd2(ot.unif(len(x)), masses.double().numpy(), costs))


def test_with_the_masses_of_the_cells_w2_squared_is_the_distortion():
    x, points = normals(200, 2), normals(6, 2, seed=1)
    nearest, squares = functional.assign(x, points)
    masses = torch.bincount(nearest, minlength=6) / 200
    assert exact_w2_squared(x, points, masses) == pytest.approx(float(squares.mean()), rel=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_masses_come_closer_than_those_of_the_cells(seed: int):
    x, points = normals(200, 2), normals(6, 2, seed=1)
    other = torch.softmax(normals(1, 6, seed=seed)[0].double(), 0)
    assert exact_w2_squared(x, points, other) >= distortion(x, points)


def test_a_chunk_of_steps_is_the_running_mean_of_what_was_assigned():
    x = torch.tensor([[1.0], [2.0], [9.0]])
    points, counts = torch.tensor([[3.0], [10.0]]), torch.tensor([2, 0])
    points, counts = functional.running_means(x, points, counts)
    assert points.tolist() == [[(3.0 + 3.0 + 1.0 + 2.0) / 4], [9.0]]
    assert counts.tolist() == [4, 1]


def test_chunks_of_one_are_the_steps_of_the_published_algorithm():
    x, points = normals(100, 3), normals(4, 3, seed=1)
    expected, visits = points.double().clone(), torch.zeros(4)
    for z in x.double():
        k = (z - expected).square().sum(1).argmin()
        visits[k] += 1
        expected[k] += (z - expected[k]) / visits[k]
    counts = torch.zeros(4, dtype=torch.int64)
    for z in x:
        points, counts = functional.running_means(z[None], points, counts)
    torch.testing.assert_close(points, expected.float())
    assert counts.tolist() == visits.tolist()
