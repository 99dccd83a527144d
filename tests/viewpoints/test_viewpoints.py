"""Whose weights does a step look through, and are they trained as said?"""

import torch
from torch.nn import functional as F

from ddoq.matching.labeled import Labeled
from ddoq.matching.network import FlatNetwork
from ddoq.students.convnet import ConvNet
from ddoq.viewpoints.fresh import Fresh
from ddoq.viewpoints.inner import Inner
from ddoq.viewpoints.queue import Queue

IMAGES = torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
BATCH = Labeled(IMAGES, torch.tensor([0, 1, 2, 0, 1, 2]), torch.ones(6))


def net() -> ConvNet:
    return ConvNet(3, 1, 4, depth=1, width=4)


def batch(*purpose: object) -> Labeled:
    return BATCH


def trained(net: torch.nn.Module, steps: int, **how: float) -> torch.Tensor:
    """Return the weights after some steps of torch's SGD on the batch."""
    optimizer = torch.optim.SGD(net.parameters(), **how)  # type: ignore[arg-type] # floats
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(net(BATCH.images), BATCH.labels).backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def loaded(network: FlatNetwork, weights: torch.Tensor) -> ConvNet:
    made = net()
    for p, layer in zip(made.parameters(), network.layers(weights), strict=True):
        p.data.copy_(layer)
    return made


def test_a_fresh_network_stays_for_so_many_steps():
    fresh = Fresh(FlatNetwork(net), 0, every=3)
    seen = [fresh.at(step).weights for step in (0, 2, 3, 5, 6)]
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[2], seen[3])
    assert len(torch.stack(seen).unique(dim=0)) == 3


def test_an_inner_network_learns_between_its_steps_and_then_makes_room():
    network = FlatNetwork(net)
    inner = Inner(network, 0, outer=2, inner=3, lr=0.1)
    begun = inner.at(0).weights
    inner.advance(0, batch, batch)
    wanted = trained(loaded(network, begun), 3, lr=0.1)
    torch.testing.assert_close(inner.at(1).weights, wanted)
    inner.advance(1, batch, batch)
    # It is not trained after its last step.
    torch.testing.assert_close(inner.weights, wanted)
    assert not torch.allclose(inner.at(2).weights, begun)


def test_an_inner_network_learns_from_weights_as_from_copies():
    network = FlatNetwork(net)
    weighted, copied = (Inner(network, 0, outer=2, inner=1, lr=0.1) for _ in range(2))
    weights = torch.tensor([1.0, 2, 1, 1, 1, 1])
    each = torch.tensor([0, 1, 1, 2, 3, 4, 5])
    both = Labeled(IMAGES[each], BATCH.labels[each], torch.ones(7))
    for inner, side in ((weighted, Labeled(IMAGES, BATCH.labels, weights)), (copied, both)):
        inner.at(0)
        inner.advance(0, lambda *p, side=side: side, batch)
    torch.testing.assert_close(weighted.weights, copied.weights)


def test_members_of_a_queue_learn_by_sgd_with_momentum():
    network = FlatNetwork(net)
    how = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
    alone = {"begin_with": 1, "members": 1}
    queue = Queue(network, 0, 10, every=10, train_steps=4, batch_size=6, **alone, **how)
    begun = queue.at(0).weights
    queue.advance(0, batch, batch)
    wanted = trained(loaded(network, begun), 4, **how)
    torch.testing.assert_close(queue.at(1).weights, wanted)


def test_a_queue_that_is_full_replaces_its_oldest_member():
    queue = Queue(FlatNetwork(net), 0, 100, begin_with=1, every=1, most=2, members=1, train_steps=1)
    for step in range(3):
        queue.at(step)
        before = queue.weights.clone()
    queue.at(3)
    assert torch.equal(queue.weights[0], before[0])
    assert not torch.equal(queue.weights[1], before[1])
    assert queue.told[1].tolist() == [0, 0]


def test_a_queue_begins_with_some_networks_and_others_join_them():
    queue = Queue(FlatNetwork(net), 0, 10, begin_with=3, every=5, members=1, train_steps=1)
    there = []
    for step in range(10):
        queue.at(step)
        there.append(int((queue.weights.abs().sum(1) > 0).sum()))
    assert there == [3] * 5 + [4] * 5
    assert len(queue.weights.unique(dim=0)) == 4
    drawn = {queue._chosen(1, "view", step)[0] for step in range(5)}
    assert drawn <= {0, 1, 2}
    assert len(drawn) > 1


def test_the_trust_of_a_network_that_is_always_right_is_1():
    network = FlatNetwork(net)
    queue = Queue(network, 0, 10, begin_with=1, every=10, members=1, train_steps=5)
    told = network.logits(queue.at(0), IMAGES).argmax(1)
    right = Labeled(IMAGES, told, torch.ones(6))
    queue.advance(0, batch, lambda *p: right)
    assert queue.at(1).trust == 1.0
    assert queue.at(0).trust == 0.0


def test_a_queue_of_new_networks_looks_as_fresh_ones_do():
    network = FlatNetwork(net)
    queue = Queue(network, 3, 10, every=1, most=1, train_steps=1)
    fresh = Fresh(network, 3)
    for step in range(3):
        assert torch.equal(queue.at(step).weights, fresh.at(step).weights)
        queue.advance(step, batch, batch)
