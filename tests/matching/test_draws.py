"""Are the images of a step and their changes functions of its number?"""

import pytest
import torch

from ddoq.data.images import Images
from ddoq.errors import UsageError
from ddoq.matching.draws import Augmentation, RealDraws, Seen
from ddoq.samplers.uniform import Uniform

ALL = "color_crop_cutout_flip_scale_rotate"
IMAGES = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("strategies", [ALL, "color+crop+cutout"])
def test_both_sides_of_a_class_are_changed_alike(strategies: str):
    change = Augmentation(strategies, seed=0)
    same = IMAGES[:1].expand(6, 1, 8, 8)
    real, synthetic = change(same, LABELS, 3, "real"), change(same, LABELS, 3, "synthetic")
    assert torch.equal(real, synthetic)
    assert torch.equal(real[:3], real[3:])
    assert not torch.equal(real, change(same, LABELS, 4, "real"))


def test_otherwise_every_image_is_changed_on_its_own():
    change = Augmentation("color", seed=0, is_siamese=False)
    same = IMAGES[:1].expand(6, 1, 8, 8)
    real = change(same, LABELS, 3, "real")
    assert len(real.flatten(1).unique(dim=0)) == 6
    assert not torch.equal(real, change(same, LABELS, 3, "synthetic"))


def test_joined_by_plus_all_are_applied_in_sequence():
    blank = torch.ones(40, 1, 8, 8)
    done = Augmentation("crop+cutout", seed=0)(blank, torch.arange(40), 0, "real")
    # A cutout takes 4 x 4 pixels at most, a crop whole lines at the border.
    assert (done == 0).flatten(1).sum(1).max() > 16


def test_an_unknown_strategy_is_refused():
    with pytest.raises(UsageError, match="no strategy 'blur'"):
        Augmentation("color_crop+blur", seed=0)


def test_a_step_sees_the_same_images_whenever_it_is_drawn(tiny_images: Images):
    draws = RealDraws(Seen(tiny_images, torch.device("cpu")), Augmentation(ALL, 0), 0)
    classes = torch.arange(2)
    first = draws.of_classes(7, classes, 5, Uniform().draw)
    draws.of_classes(8, classes, 5, Uniform().draw)
    assert torch.equal(draws.of_classes(7, classes, 5, Uniform().draw).images, first.images)
    assert first.labels.tolist() == [0] * 5 + [1] * 5


def test_a_part_of_a_step_sees_what_the_whole_step_sees(tiny_images: Images):
    draws = RealDraws(Seen(tiny_images, torch.device("cpu")), Augmentation(ALL, 0), 0)
    whole = draws.of_classes(7, torch.arange(2), 5, Uniform().draw)
    part = draws.of_classes(7, torch.tensor([1]), 5, Uniform().draw)
    torch.testing.assert_close(part.images, whole.of_class(1).images)


def test_a_batch_beyond_a_class_is_all_of_it(tiny_images: Images):
    draws = RealDraws(Seen(tiny_images, torch.device("cpu")), Augmentation("", 0), 0)
    seen = draws.of_classes(0, torch.tensor([1]), 100, Uniform().draw)
    own = tiny_images.pixels("train")[tiny_images.train.of_class(1)] / 255
    torch.testing.assert_close(seen.images, tiny_images.preprocessing.forward(own))


def test_a_batch_to_train_on_is_of_real_images_as_they_are(tiny_images: Images):
    draws = RealDraws(Seen(tiny_images, torch.device("cpu")), Augmentation(ALL, 0), 0)
    batch = draws.mixed(6, 3, "network")
    own = tiny_images.preprocessing.forward(tiny_images.pixels("train") / 255)
    for image, label in zip(batch.images, batch.labels, strict=True):
        [found] = (own == image).all((1, 2, 3)).nonzero()
        assert tiny_images.train.labels[found] == label
    assert torch.equal(draws.mixed(6, 3, "network").images, batch.images)
    assert not torch.equal(draws.mixed(6, 4, "network").images, batch.images)
