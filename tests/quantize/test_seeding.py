import itertools

import pytest
import torch

from ddoq.quantize import seeding
from ddoq.quantize.functional import squared_distances
from ddoq.quantize.seeding import all_at_once, one_by_one, plus_plus
from ddoq.quantize.space import Gram, gram


def normals(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=[one_by_one, all_at_once], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to find the starts: each member for itself by numpy, or the batch by torch."""
    monkeypatch.setattr(seeding, "one_by_one", request.param)


def space(*classes: torch.Tensor) -> Gram:
    return gram(torch.stack(classes), torch.ones(len(classes), len(classes[0])))


def start(of: Gram, num_points: int, *seeds: int, restarts: int = 1) -> torch.Tensor:
    generators = [torch.Generator().manual_seed(s) for s in seeds or (0,)]
    return plus_plus(of, num_points, restarts=restarts, generators=generators)


@pytest.mark.parametrize("seed", range(5))
def test_starting_cells_are_those_of_the_nearest_starts(seed: int):
    x = normals(12, 2, seed=seed)
    cells = start(space(x), 3, seed)[0, 0]
    members = [(cells == k).nonzero().flatten().tolist() for k in range(3)]
    found = [
        squared_distances(x, x[list(starts)]).argmin(1) for starts in itertools.product(*members)
    ]
    assert any(torch.equal(nearest, cells) for nearest in found)


def test_starts_are_distinct_latents():
    cells = start(space(torch.arange(20.0)[:, None]), 20)
    assert sorted(cells.flatten().tolist()) == list(range(20))


def test_starts_fall_into_clusters_that_are_far_apart():
    x = (100 * torch.arange(8.0)[:, None] + normals(8, 30)).reshape(-1, 1)
    cells = start(space(x), 8, restarts=5)[0].view(5, 8, 30)
    assert torch.equal(cells, cells[:, :, :1].expand_as(cells))
    assert torch.equal(cells[:, :, 0].sort(1).values, torch.arange(8).expand(5, 8))


@pytest.mark.parametrize("seed", range(20))
def test_a_latent_of_weight_zero_never_starts_a_cell(seed: int):
    x = torch.cat([normals(10, 2), 1e3 * normals(5, 2, seed=1)])
    weights = torch.tensor([1.0] * 10 + [0.0] * 5)
    cells = start(gram(x[None], weights[None]), 8, seed)[0, 0]
    assert sorted(cells[:10].unique().tolist()) == list(range(8))


def test_a_latent_starts_a_cell_in_proportion_to_its_weight():
    # The second start is the other one: the first keeps both where it weighs all but nothing.
    x, weights = torch.tensor([[[-1.0], [1.0]]]), torch.tensor([[1.0, 3.0]])
    cells = start(gram(x, weights), 2, restarts=1500)[0]
    share = float((cells[:, 1] == 0).float().mean())
    assert share == pytest.approx(0.75, abs=0.03)


def test_equal_latents_all_stay_in_the_first_cell():
    assert not start(space(torch.ones(6, 2)), 3).any()


def test_a_class_draws_from_its_own_generator():
    x, y = normals(30, 2), normals(30, 2, seed=1)
    both = start(space(x, y), 4, 5, 6, restarts=3)
    assert torch.equal(both[0], start(space(x), 4, 5, restarts=3)[0])
    assert torch.equal(both[1], start(space(y), 4, 6, restarts=3)[0])


def test_restarts_differ():
    cells = start(space(normals(30, 2)), 4, restarts=3)[0]
    assert len(cells.unique(dim=0)) == 3


@pytest.mark.parametrize("is_even", [True, False])
def test_both_ways_find_the_same_starts(is_even: bool):
    x = normals(2, 40, 3)
    weights = torch.ones(2, 40) if is_even else 0.5 + normals(2, 40, seed=1).abs()
    owner = torch.tensor([0, 0, 1, 1])
    spots = torch.rand(7, 4, 3, generator=torch.Generator().manual_seed(0))
    ways = [way(gram(x, weights), owner, spots) for way in (one_by_one, all_at_once)]
    assert torch.equal(*ways)
