import pytest
import torch
from torch import nn

from ddoq.errors import UsageError
from ddoq.students.convnet import ConvNet


def test_the_literatures_convnet_3_has_as_many_parameters_as_published():
    assert sum(p.numel() for p in ConvNet(10, 3, 32).parameters()) == 320_010


@pytest.mark.parametrize("pooling", ["average", "max", "none"])
@pytest.mark.parametrize("norm", ["instance", "batch", "group", "layer", "none"])
def test_every_norm_and_pooling_gives_logits(norm: str, pooling: str):
    net = ConvNet(5, 1, 8, depth=2, width=4, norm=norm, pooling=pooling)
    assert net(torch.rand(3, 1, 8, 8)).shape == (3, 5)


def test_logits_are_linear_in_the_features():
    net, x = ConvNet(5, 1, 8, depth=2, width=4), torch.rand(3, 1, 8, 8)
    features = net.features(x)
    torch.testing.assert_close(net(x), features @ net.classifier.weight.T + net.classifier.bias)


def test_instance_norm_is_torchs():
    x = torch.rand(3, 4, 8, 8)
    norm = ConvNet(5, 1, 8, depth=1, width=4, norm="instance").blocks[1]
    torch.testing.assert_close(norm(x), nn.InstanceNorm2d(4)(x))


def test_more_poolings_than_the_image_has_are_refused():
    with pytest.raises(UsageError, match="4 poolings leave nothing of 8 pixels") as caught:
        ConvNet(5, 1, 8, depth=4)
    assert "depth=3" in caught.value.remedy
