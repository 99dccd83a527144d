"""Is a network the same as a function of one vector?"""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ddoq.errors import UsageError
from ddoq.matching.labeled import Labeled
from ddoq.matching.network import FlatNetwork
from ddoq.matching.training import weight_gradient
from ddoq.students.convnet import ConvNet

IMAGES = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def net(norm: str = "instance") -> ConvNet:
    return ConvNet(3, 1, 8, depth=2, width=4, norm=norm)  # type: ignore[arg-type] # a literal


def same(network: FlatNetwork, seed: int) -> ConvNet:
    torch.manual_seed(seed)
    return net()


def test_answers_and_features_are_those_of_the_network():
    network, own = FlatNetwork(net), same(FlatNetwork(net), 5)
    view = network.fresh(5)
    torch.testing.assert_close(network.logits(view, IMAGES), own(IMAGES))
    torch.testing.assert_close(network.features(view, IMAGES), own.features(IMAGES))
    assert network.num_weights == sum(p.numel() for p in own.parameters())


def test_the_gradient_is_that_of_the_network_layer_by_layer():
    network, own = FlatNetwork(net), same(FlatNetwork(net), 5)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    F.cross_entropy(own(IMAGES), labels).backward()
    found = weight_gradient(network, network.fresh(5), Labeled(IMAGES, labels, torch.ones(6)))
    for layer, p in zip(found, own.parameters(), strict=True):
        torch.testing.assert_close(layer, p.grad)


def test_new_weights_are_a_function_of_the_seed_and_leave_other_draws_alone():
    network = FlatNetwork(net)
    torch.manual_seed(0)
    first, drawn = network.fresh(1).weights, torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(1), drawn)
    assert torch.equal(network.fresh(1).weights, first)
    assert not torch.equal(network.fresh(2).weights, first)


def test_batch_statistics_are_noticed_and_nothing_is_left_of_a_call():
    network = FlatNetwork(lambda: net("batch"))
    view = network.fresh(0)
    first = network.features(view, IMAGES)
    network.features(view, 3 + IMAGES)
    assert network.has_batch_statistics
    assert not FlatNetwork(net).has_batch_statistics
    assert torch.equal(network.features(view, IMAGES), first)


@pytest.mark.parametrize(("norm", "sizes"), [("instance", [2, 2, 2]), ("batch", [6])])
def test_without_gradients_a_few_images_pass_at_a_time_unless_they_depend_on_each_other(
    norm: str, sizes: list[int], monkeypatch: pytest.MonkeyPatch
):
    network, passed = FlatNetwork(lambda: net(norm)), []
    view = network.fresh(0)
    whole = network.features(view, IMAGES)
    monkeypatch.setattr("ddoq.matching.network._AT_ONCE", 2)
    forward = ConvNet.features
    monkeypatch.setattr(ConvNet, "features", lambda s, x: (passed.append(len(x)), forward(s, x))[1])
    with torch.no_grad():
        assert torch.equal(network.features(view, IMAGES), whole)
    assert passed == sizes


def test_a_network_without_features_is_refused_by_its_name():
    with pytest.raises(UsageError, match="student mine has no method `features`"):
        FlatNetwork(lambda: nn.Linear(2, 2), name="student mine")
