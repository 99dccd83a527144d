import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ddoq.quantize.functional import cell_means
from ddoq.quantize.hartigan import all_at_once, hartigan, one_by_one
from ddoq.quantize.partition import Partition, lloyd
from ddoq.quantize.space import centered, direct, gram


def normals(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def part(x, labels, k: int, *, form=gram) -> Partition:
    """One class `[n, dim]`, or several `[classes, n, dim]`."""
    x = x if x.ndim == 3 else x[None]
    space = form(centered(x, torch.ones(x.shape[:2]))[0], torch.ones(x.shape[:2]))
    return Partition.of(space, torch.as_tensor(labels).expand(len(x), 1, x.shape[1]), k)


@pytest.fixture(params=[one_by_one, all_at_once], scope="module")
def moves(request: pytest.FixtureRequest):
    """Both ways to make the moves: each class for itself by numpy, or the batch by torch."""
    return request.param


def settled(moves, x, labels, k: int, *, form=gram) -> Partition:
    cells = part(x, labels, k, form=form)
    lloyd(cells, max_iterations=300)
    moves(cells, 10_000)
    return cells


def inertia(x: torch.Tensor, labels: torch.Tensor, k: int) -> float:
    """The sum of squared distances to the means of the cells, in double precision."""
    points, _ = cell_means(x.double(), labels, torch.zeros(k, x.shape[1]).double())
    return float((x.double() - points[labels]).square().sum())


def largest_gain(x: torch.Tensor, labels: torch.Tensor, k: int) -> float:
    """What the best of all single moves gains, each tried by adding up anew."""
    before, gains = inertia(x, labels, k), [0.0]
    for i in range(len(x)):
        for cell in range(k):
            moved = labels.clone()
            moved[i] = cell
            gains.append(before - inertia(x, moved, k))
    return max(gains)


@pytest.mark.parametrize("form", [gram, direct])
@pytest.mark.parametrize(("num", "dim", "k"), [(60, 3, 2), (60, 3, 9), (40, 1, 4), (30, 60, 5)])
def test_no_single_move_improves_on_the_fixpoint(moves, form, num: int, dim: int, k: int):
    x = normals(num, dim)
    labels = settled(moves, x, torch.arange(num) % k, k, form=form).labels[0]
    assert largest_gain(x, labels, k) <= 1e-5 * inertia(x, labels, k)


@given(st.integers(0, 10**6), st.integers(2, 5))
def test_no_single_move_improves_on_the_fixpoint_of_any_small_class(moves, seed: int, k: int):
    x = normals(9, 2, seed=seed)
    labels = settled(moves, x, torch.arange(9) % k, k).labels[0]
    assert largest_gain(x, labels, k) <= 1e-5 * inertia(x, labels, k)


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_no_round_raises_the_distortion(moves, seed: int, k: int):
    x = normals(50, 3, seed=seed)
    cells = part(x, torch.arange(50) % k, k)
    for _ in range(12):
        before = inertia(x, cells.labels[0], k)
        moves(cells, 1)
        assert inertia(x, cells.labels[0], k) <= before * (1 + 1e-6)


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_every_fixpoint_is_one_of_lloyds(moves, seed: int, k: int):
    cells = settled(moves, normals(60, 3, seed=seed), torch.arange(60) % k, k)
    before = cells.labels.clone()
    lloyd(cells, max_iterations=1)
    assert torch.equal(cells.labels, before)


def test_not_every_fixpoint_of_lloyds_is_one(moves):
    x, labels = torch.tensor([[0.0], [3.0], [4.6]]), torch.tensor([0, 0, 1])
    cells = part(x, labels, 2)
    lloyd(cells, max_iterations=10)
    assert cells.labels.tolist() == [[0, 0, 1]]
    moves(cells, 10_000)
    assert cells.labels.tolist() == [[0, 1, 1]]


def test_an_empty_cell_is_filled(moves):
    x = torch.tensor([[0.0], [1.0], [10.0]])
    cells = part(x, torch.zeros(3, dtype=torch.int64), 2)
    moves(cells, 10_000)
    assert inertia(x, cells.labels[0], 2) == 0.5


def test_equal_latents_are_not_moved(moves):
    cells = part(torch.ones(6, 2), torch.arange(6) % 2, 2)
    moves(cells, 10_000)
    assert cells.labels.tolist() == [[0, 1, 0, 1, 0, 1]]


def test_latents_of_one_cell_have_nowhere_to_go(moves):
    cells = part(normals(6, 2), torch.zeros(6, dtype=torch.int64), 1)
    moves(cells, 10_000)
    assert not cells.labels.any()


def test_a_class_ends_in_a_batch_as_it_ends_alone(moves):
    x = torch.stack([normals(80, 3), 100 * normals(80, 3, seed=1), 0.01 * normals(80, 3, seed=2)])
    labels = torch.arange(80) % 6
    alone = torch.cat([settled(moves, z, labels, 6).distortions for z in x])
    torch.testing.assert_close(settled(moves, x, labels, 6).distortions, alone, rtol=1e-5, atol=0)


def test_sums_after_many_moves_are_still_those_of_the_cells(moves):
    cells = settled(moves, normals(400, 8), torch.arange(400) % 20, 20)
    anew = Partition.of(cells.space, cells.labels[:, None], 20)
    torch.testing.assert_close(cells.distortions, anew.distortions, rtol=1e-5, atol=0)


def test_no_single_move_of_a_weighted_latent_improves_on_the_fixpoint(moves):
    x, weights = normals(40, 3), (torch.arange(40) % 3 + 1.0)[None]
    space = gram(centered(x[None], weights)[0], weights)
    cells = Partition.of(space, (torch.arange(40) % 4)[None, None], 4)
    moves(cells, 10_000)
    assert largest_gain_of_weighted(x, weights[0], cells.labels[0], 4) <= 1e-3


def largest_gain_of_weighted(x, weights, labels, k: int) -> float:
    """What the best of all single moves of weighted latents gains."""

    def spread(labels: torch.Tensor) -> float:
        x64, w = x.double(), weights.double()
        total = 0.0
        for cell in range(k):
            own = labels == cell
            if own.any():
                mean = (w[own, None] * x64[own]).sum(0) / w[own].sum()
                total += float((w[own] * (x64[own] - mean).square().sum(1)).sum())
        return total

    before, gains = spread(labels), [0.0]
    for i in range(len(x)):
        for cell in range(k):
            moved = labels.clone()
            moved[i] = cell
            gains.append(before - spread(moved))
    return max(gains)


@given(st.integers(0, 10**6), st.integers(2, 12))
def test_both_ways_make_the_same_moves_of_one_class(seed: int, k: int):
    x, labels = normals(80, 4, seed=seed), torch.arange(80) % k
    ends = [settled(moves, x, labels, k).distortions for moves in (one_by_one, all_at_once)]
    torch.testing.assert_close(*ends, rtol=1e-4, atol=0)


def test_on_a_cpu_each_class_moves_for_itself():
    x, labels = torch.stack([normals(50, 3), normals(50, 3, seed=1)]), torch.arange(50) % 5
    ends = []
    for moves in (hartigan, one_by_one):
        cells = part(x, labels, 5)
        moves(cells, max_rounds=10_000)
        ends.append(cells.labels)
    assert torch.equal(*ends)
