"""Which real images does a step see, and is what they say unbiased?"""

import pytest
import torch

from ddoq import keyed
from ddoq.matching.labeled import Labeled
from ddoq.matching.network import FlatNetwork
from ddoq.samplers.importance import Importance, shares
from ddoq.samplers.uniform import Uniform
from ddoq.students.convnet import ConvNet


def test_the_expectation_of_a_weighted_draw_is_the_mean_by_enumeration():
    draw = torch.Generator().manual_seed(0)
    values = torch.randn(7, 3, generator=draw, dtype=torch.float64)
    scores = torch.rand(7, generator=draw, dtype=torch.float64)
    for floor in (0.1, 0.5, 1.0):
        chances = shares(scores, floor)
        expected = sum(p / (7 * p) * x for p, x in zip(chances, values, strict=True))
        torch.testing.assert_close(expected, values.mean(0))
        assert float(chances.sum()) == pytest.approx(1)
        assert float(chances.min()) >= floor / 7 - 1e-12


def test_weights_are_those_of_the_draw():
    sampler = Importance(6, floor=0.5)
    sampler.scores.copy_(torch.tensor([1.0, 1, 1, 9, 0, 0]))
    members = torch.tensor([0, 1, 2, 3])
    rows, weights = sampler.draw(members, 4, keyed.generator("test"))
    chances = dict(zip(members.tolist(), shares(sampler.scores[:4], 0.5).tolist(), strict=True))
    wanted = torch.tensor([1 / (4 * chances[row]) for row in rows.tolist()])
    torch.testing.assert_close(weights, wanted)


def test_without_scores_all_are_alike():
    assert shares(torch.zeros(4), 0.1).tolist() == [0.25] * 4


def test_an_image_that_stands_apart_is_seen_where_even_draws_miss_it():
    # One of a hundred, in ten draws: even draws hold it with probability 0.1.
    sampler = Importance(100, floor=0.2)
    sampler.scores.copy_(torch.cat([torch.full((99,), 0.1), torch.tensor([10.0])]))
    members, trials = torch.arange(100), range(200)
    seen = {
        which: sum(
            99 in draw(members, 10, keyed.generator("outlier", i))[0].tolist() for i in trials
        )
        for which, draw in (("even", Uniform().draw), ("by score", sampler.draw))
    }
    assert seen["even"] < 40
    assert seen["by score"] > 190


@pytest.mark.parametrize("score", ["loss", "distance"])
def test_scores_are_renewed_through_the_network_every_so_often(score):
    network = FlatNetwork(lambda: ConvNet(2, 1, 4, depth=1, width=4))
    images = torch.randn(8, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    side = Labeled(images, torch.arange(8) % 2, torch.ones(8))
    sampler = Importance(8, score=score, every=5)

    def renewed(step: int) -> torch.Tensor:
        sampler.renew(step, network, network.fresh(step), lambda rows: side)
        return sampler.scores.clone()

    first = renewed(0)
    assert len(first.unique()) == 8
    assert torch.equal(renewed(4), first)
    assert not torch.equal(renewed(5), first)


def test_an_even_draw_has_no_image_twice():
    rows, weights = Uniform().draw(torch.arange(50), 20, keyed.generator("test"))
    assert len(rows.unique()) == 20
    assert weights.tolist() == [1.0] * 20
