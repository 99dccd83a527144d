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


def test_large_images_meet_the_stem_as_it_is():
    net = timm_student(4, 3, 64, "resnet10t")
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
