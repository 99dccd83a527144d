import pytest
import torch
from scipy.stats import kstest

from ddoq import keyed

IDS = torch.arange(2000)


@pytest.mark.parametrize("seed", range(3))
def test_uniform_numbers_are_uniform(seed: int):
    draws = keyed.uniform(keyed.seed_of("u", seed), IDS, 5)
    assert kstest(draws.flatten().numpy(), "uniform").pvalue > 0.01
    assert 0 <= float(draws.min()) < float(draws.max()) < 1


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2)])
def test_normal_numbers_are_normal(shape: tuple[int, ...]):
    draws = keyed.normal(keyed.seed_of("n"), IDS, shape)
    assert draws.shape == (2000, *shape)
    assert kstest(draws.flatten().numpy(), "norm").pvalue > 0.01


def test_consecutive_ids_and_positions_are_uncorrelated():
    draws = keyed.normal(keyed.seed_of("c"), IDS, (6,))
    within = torch.corrcoef(draws.T) - torch.eye(6)
    between = torch.corrcoef(torch.stack([draws[:-1].flatten(), draws[1:].flatten()]))
    assert float(within.abs().max()) < 4 / 2000**0.5
    assert abs(float(between[0, 1])) < 4 / 12000**0.5


@pytest.mark.parametrize("draw", [keyed.uniform, keyed.normal])
def test_an_item_draws_the_same_in_any_batch(draw):
    size = 3 if draw is keyed.uniform else (3,)
    whole = draw(7, IDS, size)
    some = torch.tensor([1999, 0, 17, 17])
    assert torch.equal(draw(7, some, size), whole[some])


def test_further_numbers_leave_the_first_ones_as_they_were():
    assert torch.equal(keyed.uniform(7, IDS, 8)[:, :5], keyed.uniform(7, IDS, 5))


def test_seeds_and_ids_that_differ_draw_differently():
    draws = torch.cat([keyed.uniform(keyed.seed_of("d", seed), IDS, 4) for seed in range(5)])
    assert len(draws.unique(dim=0)) == 5 * 2000


def test_large_ids_are_told_apart():
    ids = torch.tensor([0, 1, 2**24, 2**24 + 1, 2**62, -1])
    assert len(keyed.uniform(3, ids, 2).unique(dim=0)) == 6


def test_purposes_that_differ_in_their_division_have_other_seeds():
    purposes = [("a", 1, 2), ("a", 12), ("a", "1", 2), ("a1", 2), ("a", 2, 1)]
    assert len({keyed.seed_of(*p) for p in purposes}) == 5


def test_seeds_and_draws_stay_what_they_were():
    assert keyed.seed_of("decode", 0, 3) == 2508351472581760291
    assert keyed.uniform(1, torch.tensor([5]), 2).tolist() == [
        [0.2500072121620178, 0.4640777111053467]
    ]


def test_a_permutation_is_one_and_depends_on_its_purpose():
    first, again = keyed.permutation(50, "order", 0), keyed.permutation(50, "order", 0)
    assert torch.equal(first, again)
    assert first.sort().values.tolist() == list(range(50))
    assert not torch.equal(first, keyed.permutation(50, "order", 1))
