import math

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from ddoq.errors import UsageError
from ddoq.students.resnet import ResNet, resnet, resnetap

NORMS = ("instance", "batch", "group", "layer", "none")


def num_parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def shapes(net: nn.Module) -> list[torch.Size]:
    return [p.shape for p in net.parameters()]


def side_after_each_block(net: ResNet, size: int) -> list[int]:
    x, sides = net.stem(torch.zeros(1, 3, size, size)), []
    sides.append(x.shape[-1])
    for block in net.blocks:
        x = block(x)
        sides.append(x.shape[-1])
    return sides


@pytest.fixture(scope="module")
def pair() -> tuple[ResNet, nn.Module]:
    """Our ResNet-18 for large images and torchvision's, with the same weights."""
    ours, theirs = resnet(1000, 3, 224, depth=18), torchvision.models.resnet18()
    weights = zip(theirs.state_dict(), ours.state_dict().values(), strict=True)
    theirs.load_state_dict(dict(weights))
    return ours.eval(), theirs.eval()


def test_resnet_18_for_large_images_is_torchvisions(pair):
    ours, theirs = pair
    assert num_parameters(ours) == num_parameters(theirs) == 11_689_512
    x = torch.rand(2, 3, 72, 72)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize(("depth", "published"), [(34, 21_797_672), (50, 25_557_032)])
def test_deeper_ones_have_as_many_parameters_as_torchvisions(depth: int, published: int):
    with torch.device("meta"):
        ours, theirs = (
            resnet(1000, 3, 224, depth=depth),
            getattr(torchvision.models, f"resnet{depth}")(),
        )
    assert num_parameters(ours) == num_parameters(theirs) == published
    assert shapes(ours) == shapes(theirs)


@pytest.mark.parametrize(
    ("depth", "published"), [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018)]
)
def test_those_for_cifar_have_as_many_parameters_as_published(depth: int, published: int):
    assert num_parameters(resnet(10, 3, 32, depth=depth)) == published


def test_a_small_stem_keeps_the_images_size():
    assert side_after_each_block(resnet(2, 3, 32, depth=10, width=2), 32) == [32, 32, 16, 8, 4]


def test_a_large_stem_leaves_a_quarter():
    net = resnet(2, 3, 96, depth=10, width=2)
    assert side_after_each_block(net, 96) == [24, 24, 12, 6, 3]


@pytest.mark.parametrize(("stem", "first"), [("small", 64), ("large", 16)])
def test_the_stem_may_be_chosen(stem: str, first: int):
    net = resnet(2, 3, 64, depth=10, width=2, stem=stem)
    assert side_after_each_block(net, 64)[0] == first


def test_those_for_cifar_have_three_stages_of_doubling_width():
    net = resnet(10, 3, 32, depth=20)
    assert [b.body[0][0].out_channels for b in net.blocks] == [16] * 3 + [32] * 3 + [64] * 3
    assert side_after_each_block(net, 32) == [32] * 4 + [16] * 3 + [8] * 3


def test_the_shortcut_of_those_for_cifar_pads_with_zeros():
    x = torch.rand(2, 16, 8, 8)
    shortcut = resnet(10, 3, 32, depth=20).blocks[3].shortcut(x)
    assert torch.equal(shortcut[:, :16], x[:, :, ::2, ::2])
    assert not shortcut[:, 16:].any()


@pytest.mark.parametrize(
    ("size", "sides", "kernel"),
    [(32, [32, 32, 16, 8, 4], 3), (80, [40, 40, 20, 10, 5], 3), (160, [40, 40, 20, 10, 5], 7)],
)
def test_resnetap_pools_by_the_size_of_the_image(size: int, sides: list[int], kernel: int):
    net = resnetap(2, 3, size, width=2)
    assert side_after_each_block(net, size) == sides
    assert net.stem[0][0].kernel_size == (kernel, kernel)


@pytest.mark.parametrize("size", [64, 65, 128, 129])
def test_no_convolution_of_resnetap_strides_or_has_a_bias(size: int):
    convolutions = [m for m in resnetap(2, 3, size, width=2).modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 1 + 4 * 2 + 3
    assert all(c.stride == (1, 1) and c.bias is None for c in convolutions)


def test_a_pooling_block_of_resnetap_is_its_equation():
    block = resnetap(2, 3, 32, width=2).blocks[1]
    first, second = block.body[0], block.body[3]
    projection, _, norm = block.shortcut
    x = torch.randn(3, 2, 8, 8)
    body = second(F.avg_pool2d(first(x).relu(), 2))
    torch.testing.assert_close(block(x), (body + norm(F.avg_pool2d(projection(x), 2))).relu())


@pytest.mark.parametrize(("depth", "number"), [(10, 4_903_242), (18, 11_173_962)])
@pytest.mark.parametrize("make", [resnet, resnetap])
def test_both_families_have_as_many_parameters_at_a_depth(make, depth: int, number: int):
    with torch.device("meta"):
        assert num_parameters(make(10, 3, 32, depth=depth)) == number


def test_convolutions_start_normal_with_the_spread_of_their_outputs():
    torch.manual_seed(0)
    weight = resnetap(2, 3, 160).blocks[1].body[0][0].weight.detach()
    assert float(weight.std()) == pytest.approx(math.sqrt(2 / (3 * 3 * 128)), rel=0.02)


@pytest.mark.parametrize("make", [resnet, resnetap])
def test_the_default_norm_is_the_fields(make):
    kinds = {resnet: nn.BatchNorm2d, resnetap: nn.GroupNorm}
    norm = make(2, 3, 32).stem[0][1]
    assert isinstance(norm, kinds[make])
    assert isinstance(norm, nn.BatchNorm2d) or norm.num_groups == norm.num_channels == 64


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("depth", [10, 20, 50])
def test_gradients_reach_all_parameters(depth: int, norm: str):
    torch.manual_seed(0)
    net = resnet(3, 1, 16, depth=depth, width=8, norm=norm)
    F.cross_entropy(net(torch.randn(4, 1, 16, 16)), torch.tensor([0, 1, 2, 0])).backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_reach_all_parameters_of_resnetap(norm: str):
    torch.manual_seed(0)
    net = resnetap(3, 1, 16, width=8, norm=norm)
    F.cross_entropy(net(torch.randn(4, 1, 16, 16)), torch.tensor([0, 1, 2, 0])).backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())


@pytest.mark.parametrize("make", [resnet, resnetap])
def test_logits_are_linear_in_the_features(make):
    net, x = make(5, 3, 32, width=2).eval(), torch.rand(3, 3, 32, 32)
    features = net.features(x)
    assert features.shape == (3, 16)
    torch.testing.assert_close(
        net(x), F.linear(features, net.classifier.weight, net.classifier.bias)
    )


def test_instance_norm_forgets_the_contrast_of_an_image():
    net, x = resnetap(5, 3, 32, width=2).eval(), torch.rand(3, 3, 32, 32)
    # Zero padding and the norm's epsilon leave a trace of a change of scale, none of the sign.
    torch.testing.assert_close(net(100 * x), net(200 * x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("make", [resnet, resnetap])
def test_an_unknown_depth_is_refused_with_those_there_are(make):
    with pytest.raises(UsageError, match="there is no depth 21") as caught:
        make(2, 3, 32, depth=21)
    assert "10, 18" in caught.value.remedy


@pytest.mark.parametrize("make", [resnet, resnetap])
def test_an_instance_norm_of_one_pixel_is_refused(make):
    with pytest.raises(UsageError, match="of 8 pixels the last stage has one"):
        make(2, 1, 8, norm="instance")
    assert make(2, 1, 8, width=2, norm="batch")(torch.rand(2, 1, 8, 8)).shape == (2, 2)


def test_more_poolings_than_the_image_has_are_refused():
    with pytest.raises(UsageError, match="leave nothing of 4 pixels"):
        resnetap(2, 3, 4)
