import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ddoq.quantize.functional import cell_means
from ddoq.quantize.hartigan import hartigan
from ddoq.quantize.partition import Partition, lloyd
from ddoq.quantize.space import centered, direct, gram


def normals(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def part(x, labels, k: int, *, form=gram) -> Partition:
    """One class `[n, dim]`, or several `[classes, n, dim]`."""
    x = x if x.ndim == 3 else x[None]
    space = form(centered(x, torch.ones(x.shape[:2]))[0], torch.ones(x.shape[:2]))
    return Partition.of(space, torch.as_tensor(labels).expand(len(x), 1, x.shape[1]), k)


def settled(x, labels, k: int, *, form=gram) -> Partition:
    cells = part(x, labels, k, form=form)
    lloyd(cells, max_iterations=300)
    hartigan(cells)
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
def test_no_single_move_improves_on_the_fixpoint(form, num: int, dim: int, k: int):
    x = normals(num, dim)
    labels = settled(x, torch.arange(num) % k, k, form=form).labels[0]
    assert largest_gain(x, labels, k) <= 1e-5 * inertia(x, labels, k)


@given(st.integers(0, 10**6), st.integers(2, 5))
def test_no_single_move_improves_on_the_fixpoint_of_any_small_class(seed: int, k: int):
    x = normals(9, 2, seed=seed)
    labels = settled(x, torch.arange(9) % k, k).labels[0]
    assert largest_gain(x, labels, k) <= 1e-5 * inertia(x, labels, k)


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_no_round_raises_the_distortion(seed: int, k: int):
    x = normals(50, 3, seed=seed)
    cells = part(x, torch.arange(50) % k, k)
    for _ in range(12):
        before = inertia(x, cells.labels[0], k)
        hartigan(cells, max_rounds=1)
        assert inertia(x, cells.labels[0], k) <= before * (1 + 1e-6)


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_every_fixpoint_is_one_of_lloyds(seed: int, k: int):
    cells = settled(normals(60, 3, seed=seed), torch.arange(60) % k, k)
    before = cells.labels.clone()
    lloyd(cells, max_iterations=1)
    assert torch.equal(cells.labels, before)


def test_not_every_fixpoint_of_lloyds_is_one():
    x, labels = torch.tensor([[0.0], [3.0], [4.6]]), torch.tensor([0, 0, 1])
    cells = part(x, labels, 2)
    lloyd(cells, max_iterations=10)
    assert cells.labels.tolist() == [[0, 0, 1]]
    hartigan(cells)
    assert cells.labels.tolist() == [[0, 1, 1]]


def test_an_empty_cell_is_filled():
    x = torch.tensor([[0.0], [1.0], [10.0]])
    cells = part(x, torch.zeros(3, dtype=torch.int64), 2)
    hartigan(cells)
    assert inertia(x, cells.labels[0], 2) == 0.5


def test_equal_latents_are_not_moved():
    cells = part(torch.ones(6, 2), torch.arange(6) % 2, 2)
    hartigan(cells)
    assert cells.labels.tolist() == [[0, 1, 0, 1, 0, 1]]


def test_latents_of_one_cell_have_nowhere_to_go():
    cells = part(normals(6, 2), torch.zeros(6, dtype=torch.int64), 1)
    hartigan(cells)
    assert not cells.labels.any()


def test_a_class_ends_in_a_batch_as_it_ends_alone():
    x = torch.stack([normals(80, 3), 100 * normals(80, 3, seed=1), 0.01 * normals(80, 3, seed=2)])
    labels = torch.arange(80) % 6
    alone = torch.cat([settled(z, labels, 6).distortions for z in x])
    torch.testing.assert_close(settled(x, labels, 6).distortions, alone, rtol=1e-5, atol=0)


def test_sums_after_many_moves_are_still_those_of_the_cells():
    cells = settled(normals(400, 8), torch.arange(400) % 20, 20)
    anew = Partition.of(cells.space, cells.labels[:, None], 20)
    torch.testing.assert_close(cells.distortions, anew.distortions, rtol=1e-5, atol=0)
