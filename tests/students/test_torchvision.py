import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from ddoq.errors import UsageError
from ddoq.recipe.component import build
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.settings import complete
from ddoq.students.torchvision import models, torchvision_student


def test_a_model_for_large_images_is_torchvisions():
    torch.manual_seed(0)
    ours = torchvision_student(10, 3, 96, "resnet18")
    torch.manual_seed(0)
    theirs = resnet18(num_classes=10)
    x = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_a_recipe_names_it_as_it_names_timms():
    block = complete(KINDS, "student", {"name": "torchvision/squeezenet1_1", "dropout": 0.0})
    net = build(KINDS, "student", block, num_classes=4, channels=3, image_size=64)
    assert net.num_classes == 4
    assert net.classifier[0].p == 0


@pytest.mark.parametrize("model", ["shufflenet_v2_x0_5", "squeezenet1_1", "mobilenet_v3_small"])
@pytest.mark.parametrize(("channels", "size"), [(1, 32), (4, 64)])
def test_a_model_takes_images_of_the_size_and_channels_asked_for(model, channels: int, size: int):
    net = torchvision_student(4, channels, size, model)
    assert net.training
    assert net(torch.rand(2, channels, size, size)).shape == (2, 4)


@pytest.mark.parametrize("size", [32, 64])
def test_small_images_meet_the_fields_modified_stem(size: int):
    # RDED's resnet18_modified and SRe2L's, on CIFAR and Tiny-ImageNet.
    net = torchvision_student(4, 3, size, "resnet18")
    stem = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
    assert repr(net.conv1) == repr(stem)
    assert isinstance(net.maxpool, nn.Identity)
    assert net.layer1(net.maxpool(net.conv1(torch.rand(1, 3, size, size)))).shape[-1] == size


def test_a_smaller_kernel_is_drawn_as_its_network_draws_it():
    torch.manual_seed(0)
    weight = torchvision_student(4, 3, 32, "resnet18").conv1.weight
    # He's initialization by the number of outputs, as torchvision has it.
    assert weight.detach().std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)


def test_large_images_meet_the_stem_as_it_is():
    net = torchvision_student(4, 3, 65, "resnet18")
    assert (net.conv1.stride, type(net.maxpool)) == ((2, 2), nn.MaxPool2d)


def test_the_first_convolution_of_other_channels_is_drawn_as_widely():
    torch.manual_seed(0)
    colors, gray = (torchvision_student(4, c, 96, "resnet18").conv1 for c in (3, 1))
    drawn, replaced = (c.weight.detach().std().item() for c in (colors, gray))
    assert gray.weight.shape == (64, 1, 7, 7)
    assert (gray.stride, gray.padding, gray.bias) == (colors.stride, colors.padding, None)
    assert replaced == pytest.approx(drawn, rel=0.05)


def test_a_transformer_is_made_for_the_size():
    with torch.device("meta"):
        assert torchvision_student(4, 3, 48, "vit_b_16").seq_length == 3 * 3 + 1


def test_a_model_with_auxiliary_classifiers_returns_logits_alone():
    net = torchvision_student(4, 3, 32, "googlenet")
    assert net.train()(torch.rand(2, 3, 32, 32)).shape == (2, 4)


@pytest.mark.parametrize("model", ["googlenet", "inception_v3"])
def test_auxiliary_classifiers_are_refused(model: str):
    with pytest.raises(UsageError, match="with aux_logits it returns more than logits"):
        torchvision_student(4, 3, 96, model, aux_logits=True)


def test_an_image_that_is_pooled_away_is_refused():
    with pytest.raises(UsageError, match="squeezenet1_1 cannot take images of 3 x 8 x 8"):
        torchvision_student(4, 3, 8, "squeezenet1_1")


@pytest.mark.parametrize("key", ["weights", "weights_backbone", "pretrained"])
def test_trained_weights_are_refused(key: str):
    with pytest.raises(UsageError, match=f"{key} would load trained weights"):
        torchvision_student(4, 3, 32, "resnet18", **{key: "DEFAULT"})


def test_an_unknown_model_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'resnet18'"):
        torchvision_student(4, 3, 32, "resnt18")


def test_a_model_that_is_no_classifier_is_refused():
    assert {"resnet18", "vit_b_16", "mobilenet_v2"} <= set(models())
    with pytest.raises(UsageError, match="no classification model 'fcn_resnet50'"):
        torchvision_student(4, 3, 32, "fcn_resnet50")


def test_a_setting_that_the_model_does_not_take_is_refused():
    with pytest.raises(UsageError, match="depthh"):
        torchvision_student(4, 3, 32, "resnet18", depthh=3)
