import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.cluster import KMeans

from ddoq.quantize.functional import assign, cell_means
from ddoq.quantize.partition import Partition, lloyd
from ddoq.quantize.space import centered, direct, gram


def normals(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def part(x, labels, k: int, *, weights=None, form=gram) -> Partition:
    weights = torch.ones(len(x)) if weights is None else weights
    space = form(centered(x[None], weights[None])[0], weights[None])
    return Partition.of(space, torch.as_tensor(labels).view(1, -1, len(x)), k)


def settled(x, labels, k: int, **settings) -> Partition:
    cells = part(x, labels, k, **settings)
    lloyd(cells, max_iterations=400)
    return cells


def distortion(x: torch.Tensor, labels: torch.Tensor, k: int) -> float:
    """The mean squared distance to the means of the cells, in double precision."""
    points, _ = cell_means(x.double(), labels, torch.zeros(k, x.shape[1]).double())
    return float((x.double() - points[labels]).square().sum(1).mean())


def means(cells: Partition, x: torch.Tensor) -> torch.Tensor:
    return cells.means(x[None])[0]


def test_lloyd_comes_to_the_same_fixpoint_as_scikit_learn():
    x = normals(600, 5)
    theirs = KMeans(12, init=x[:12].numpy(), n_init=1, tol=0, max_iter=300).fit(x.numpy())
    ours = settled(x, assign(x, x[:12])[0], 12)
    torch.testing.assert_close(means(ours, x), torch.from_numpy(theirs.cluster_centers_))
    assert ours.labels[0].tolist() == theirs.labels_.tolist()


@pytest.mark.parametrize("num_points", [1, 2, 5])
def test_lloyd_finds_the_optimal_points_of_the_unit_interval(num_points: int):
    x = ((torch.arange(2000) + 0.5) / 2000)[:, None]
    cells = settled(x, assign(x, x[: num_points * 9 : 9])[0], num_points)
    optimal = (2 * torch.arange(num_points) + 1) / (2 * num_points)
    found = means(cells, x).flatten().sort().values
    torch.testing.assert_close(found, optimal, atol=5e-3, rtol=0)
    assert float(cells.distortions) == pytest.approx(1 / (12 * num_points**2), rel=1e-3)


def test_lloyd_finds_the_two_optimal_points_of_a_normal_distribution():
    shares = (torch.arange(20_000).double() + 0.5) / 20_000
    x = torch.from_numpy(norm.ppf(shares.numpy())).float()[:, None]
    cells = settled(x, assign(x, x[[500, 700]])[0], 2, form=direct)
    best = math.sqrt(2 / math.pi)
    assert sorted(means(cells, x).flatten().tolist()) == pytest.approx([-best, best], abs=1e-3)
    assert float(cells.distortions) == pytest.approx(1 - 2 / math.pi, abs=1e-3)


def test_an_empty_cell_takes_the_farthest_latent():
    cells = settled(torch.tensor([[0.0], [1.0], [10.0]]), [0, 0, 0], 2)
    assert cells.labels.tolist() == [[0, 0, 1]]


def test_cells_stay_empty_where_latents_are_equal():
    x = torch.tensor([[3.0, 1.0]]).repeat(6, 1)
    cells = settled(x, [0] * 6, 3)
    assert cells.cell_weights.tolist() == [[6, 0, 0]]
    assert float(cells.distortions) == pytest.approx(0, abs=1e-9)


coordinates = st.floats(-100, 100, width=32)
clouds = st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=24)


@given(clouds, st.integers(1, 8))
def test_no_iteration_raises_the_distortion(cloud: list[tuple[float, float]], k: int):
    x = torch.tensor(cloud)
    cells = part(x, torch.arange(len(x)) % k, k)
    # Inner products are rounded in proportion to the spread of the class.
    rounding = 1e-6 * distortion(x, torch.zeros(len(x), dtype=torch.int64), 1)
    for _ in range(6):
        before = distortion(x, cells.labels[0], k)
        lloyd(cells, max_iterations=1)
        assert distortion(x, cells.labels[0], k) <= before * (1 + 1e-5) + rounding


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_at_the_fixpoint_each_latent_is_nearest_to_its_own_mean(seed: int, k: int):
    x = normals(40, 3, seed=seed)
    cells = settled(x, torch.arange(40) % k, k)
    nearest, squares = assign(x, means(cells, x))
    assert torch.equal(nearest, cells.labels[0])
    assert float(cells.distortions) == pytest.approx(float(squares.mean()), rel=1e-5)


@pytest.mark.parametrize("form", [gram, direct])
def test_the_distortion_of_any_labeling_is_that_of_its_means(form):
    x, labels = normals(200, 6), torch.arange(200) % 7
    cells = part(x, labels, 7, form=form)
    assert float(cells.distortions) == pytest.approx(distortion(x, labels, 7), rel=1e-5)


@pytest.mark.parametrize("dim", [2, 50])
def test_products_held_or_asked_come_to_the_same_distortion(dim: int):
    x, labels = normals(300, dim) + 5, torch.arange(300) % 9
    held, asked = (settled(x, labels, 9, form=form) for form in (gram, direct))
    torch.testing.assert_close(held.distortions, asked.distortions, rtol=1e-5, atol=0)


@pytest.mark.parametrize("seed", range(20))
def test_under_lloyd_a_latent_of_weight_two_is_two_copies(seed: int):
    k = 3
    x, labels = normals(30, 3, seed=seed), torch.arange(30) % k
    weights = torch.ones(30).index_fill_(0, torch.arange(0, 30, 4), 2.0)
    one = settled(x, labels, k, weights=weights)
    two = settled(torch.cat([x, x[::4]]), torch.cat([labels, labels[::4]]), k)
    torch.testing.assert_close(one.distortions, two.distortions, rtol=1e-5, atol=0)


@given(st.integers(0, 10**6), st.integers(2, 6))
def test_a_latent_of_weight_zero_is_absent(seed: int, k: int):
    x, labels = normals(30, 3, seed=seed), torch.arange(30) % k
    weights = torch.ones(30).index_fill_(0, torch.tensor([28, 29]), 0.0)
    with_it = settled(torch.cat([x[:28], 50 * x[28:]]), labels, k, weights=weights)
    without = settled(x[:28], labels[:28], k)
    torch.testing.assert_close(with_it.distortions, without.distortions, rtol=1e-5, atol=0)


@pytest.mark.parametrize("num_moved", [3, 40])
def test_after_few_or_many_moves_the_sums_are_those_of_the_new_cells(num_moved: int):
    x, weights = normals(60, 3), 0.5 + normals(60).abs()
    cells = part(x, torch.arange(60) % 4, 4, weights=weights)
    index = torch.arange(num_moved)
    cells.relabel(index, (index + 1) % 4)
    anew = part(x, cells.labels, 4, weights=weights)
    torch.testing.assert_close(cells.sums, anew.sums, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(cells.norms, anew.norms, atol=1e-4, rtol=1e-5)


def test_the_best_restart_of_each_class_is_kept():
    x, y = normals(20, 2), normals(20, 2, seed=1)
    good = [settled(z, torch.arange(20) % 3, 3).labels[0] for z in (x, y)]
    bad = torch.arange(20) % 3
    space = gram(centered(torch.stack([x, y]), torch.ones(2, 20))[0], torch.ones(2, 20))
    labels = torch.stack([torch.stack([bad, good[0]]), torch.stack([good[1], bad])])
    assert torch.equal(Partition.of(space, labels, 3).best().labels, torch.stack(good))
