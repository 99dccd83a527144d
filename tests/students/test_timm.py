import pytest
import torch
from torch import nn

from ddoq.errors import UsageError
from ddoq.students.timm import timm_student


@pytest.mark.parametrize("model", ["test_resnet", "test_vit", "test_efficientnet"])
@pytest.mark.parametrize("size", [8, 32, 64])
def test_a_model_takes_images_of_the_size_and_channels_asked_for(model: str, size: int):
    net = timm_student(4, 1, size, model)
    assert net.eval()(torch.rand(2, 1, size, size)).shape == (2, 4)


def test_small_images_keep_their_size_in_the_stem():
    net = timm_student(4, 3, 32, "resnet10t")
    assert (net.conv1[0].stride, type(net.maxpool)) == ((1, 1), nn.Identity)


@pytest.mark.parametrize("size", [8, 32, 64])
def test_up_to_64_pixels_the_stem_is_a_3_by_3_convolution(size: int):
    net = timm_student(4, 3, size, "resnet18")
    assert (net.conv1.kernel_size, net.conv1.stride, net.conv1.padding) == ((3, 3), (1, 1), (1, 1))
    assert net.layer1(net.maxpool(net.conv1(torch.rand(1, 3, size, size)))).shape[-1] == size


def test_branches_of_a_stem_side_by_side_keep_one_size():
    assert timm_student(4, 3, 32, "repvgg_a0")(torch.rand(2, 3, 32, 32)).shape == (2, 4)


def test_large_images_meet_the_stem_as_it_is():
    net = timm_student(4, 3, 65, "resnet10t")
    assert net.conv1[0].stride == (2, 2)
    assert not isinstance(net.maxpool, nn.Identity)


def test_small_images_are_cut_into_8_by_8_patches():
    net = timm_student(4, 3, 32, "test_vit")
    assert net.patch_embed.num_patches == 64
    assert net.patch_embed.proj.stride == (4, 4)


def test_a_setting_wins_over_what_suits_the_size():
    assert timm_student(4, 3, 32, "test_vit", patch_size=8).patch_embed.num_patches == 16


def test_an_unknown_model_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'test_resnet'"):
        timm_student(4, 3, 32, "test_resnt")


def test_a_setting_that_the_model_does_not_take_is_refused():
    with pytest.raises(UsageError, match="depthh"):
        timm_student(4, 3, 32, "test_resnet", depthh=3)
