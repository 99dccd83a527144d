import ot
import pytest
import torch

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
