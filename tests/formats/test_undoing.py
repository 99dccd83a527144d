"""Is preprocessing undone as it was named, and refused where it cannot be right?"""

import re
from dataclasses import replace

import pytest
import torch

from ddoq.data.preprocessing import Normalize
from ddoq.errors import DataError, UsageError
from ddoq.formats.likeness import doubt, likeness, num_constant
from ddoq.formats.named import preprocessing_of
from ddoq.formats.undoing import better_fitting, undone

DATA = Normalize((0.305,), (0.376,))
NAMED = {
    "data": "data",
    "zca": "zca",
    "[-1,1]": [-1, 1],
    "[0,255]": [0, 255],
    "mean and std": {"mean": [0.1], "std": 0.2},
}


def seen(images: torch.Tensor, normalized, data) -> torch.Tensor:
    return preprocessing_of(normalized, images, data).forward(images)


@pytest.mark.parametrize("name", NAMED)
def test_what_is_named_is_undone(some, data, name: str):
    images = some[0] / 255
    found = undone(seen(images, NAMED[name], data), NAMED[name], data)
    torch.testing.assert_close(found.images, images, atol=1e-5, rtol=0)
    assert (found.name, found.is_proven) == (f"{name} undone", True)


def test_the_formulas_are_those_of_the_field():
    x = torch.tensor([[[[-1.0, 1.0], [0.0, 0.5]]]])
    assert preprocessing_of([-1, 1], x, None).inverse(x).flatten().tolist() == [0, 1, 0.5, 0.75]
    color = torch.zeros(1, 3, 1, 1)
    found = preprocessing_of("imagenet", color, None).inverse(color + 1).flatten()
    torch.testing.assert_close(found, torch.tensor([0.485 + 0.229, 0.456 + 0.224, 0.406 + 0.225]))


def test_a_whitening_may_lie_in_a_file(some, data, zca, saved):
    file = saved({"matrix": zca.matrix, "inverse": zca.back, "mean": zca.mean}, "zca.pt")
    images = some[0] / 255
    found = undone(zca.forward(images), {"name": "zca", "file": str(file)}, None).images
    torch.testing.assert_close(found, images, atol=1e-5, rtol=0)


@pytest.mark.parametrize("true", ["data", [-1, 1], "zca", [0, 255]])
def test_without_a_word_floats_beyond_0_and_1_are_asked_about(some, data, true):
    images = seen(some[0] / 255, true, data)
    with pytest.raises(DataError, match="what was done to them") as caught:
        undone(images, None, data)
    best = str(true).replace(" ", "")
    assert re.search(re.escape(f"it may be normalized={best}"), caught.value.remedy)


def test_no_whitening_is_made_where_something_else_fits(some, data):
    def dear():
        raise AssertionError("a whitening takes half a minute")

    cheap = replace(data, whitening=dear)
    with pytest.raises(DataError, match="what was done to them") as caught:
        undone(seen(some[0] / 255, [-1, 1], data), None, cheap)
    assert "it may be normalized=[-1,1]" in caught.value.remedy


def test_images_that_lie_in_0_and_1_need_no_undoing(some, data):
    for images in (some[0], some[0] / 255):
        assert torch.equal(undone(images, None, data).images, images)
        with pytest.raises(UsageError, match="lie in \\[0, 1\\] already"):
            undone(images, "data", data)


@pytest.mark.parametrize("told", ["data", "zca", [-1, 1]])
@pytest.mark.parametrize("true", ["data", "zca", [-1, 1]])
def test_pictures_show_by_their_gray_levels_what_was_done_to_them(some, data, true, told):
    images = seen(some[0] / 255, true, data)
    if told == true:
        assert undone(images, told, data).is_proven
        return
    with pytest.raises(DataError, match=re.escape(f"normalized={true}".replace(" ", ""))):
        undone(images, told, data)


def learned(images: torch.Tensor, data) -> torch.Tensor:
    """Return images that lie on no gray levels, as learned ones."""
    noise = 0.02 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return seen(images / 255, "data", data) + noise


def test_twice_normalized_images_are_refused_by_their_range(some, data):
    twice = DATA.forward(learned(some[0], data))
    with pytest.raises(DataError, match=r"of the pixels are beyond"):
        undone(twice, "data", data)
    assert undone(twice, "data", data, unusual=True).name == "data undone"


def test_learned_images_may_leave_0_and_1_a_little(some, data):
    images = learned(some[0], data)
    found = undone(images, "data", data)
    assert found.images.min() < 0
    assert not found.is_proven


def test_low_contrast_is_refused_unless_the_images_are_smooth(digits, data, zca):
    real, labels = digits.pixels("train"), digits.train.labels
    taken = DATA.inverse(zca.forward(real[:200] / 255))
    with pytest.raises(DataError, match="something else was done"):
        doubt(likeness(taken, real), "data undone")
    means = torch.stack([(real[labels == label] / 255).mean(0) for label in range(10)])
    doubt(likeness(means, real), "data undone")
    noise = DATA.inverse(torch.randn(100, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    doubt(likeness(noise, real), "data undone")


def test_what_may_be_honest_is_warned_of(digits):
    real = digits.pixels("train")
    low = likeness(0.75 * (real / 255 - 0.3) + 0.3, real)
    assert doubt(low, "data undone").startswith("0.75 times the contrast")
    assert doubt(low, "", "zca").endswith("; normalized=zca fits the pixels better")
    assert doubt(likeness(real, real), "data undone", "zca") == ""


def test_noise_is_said_to_look_unlike_the_data(digits):
    real, generator = digits.pixels("train"), torch.Generator().manual_seed(0)
    uniform = torch.rand(100, 1, 8, 8, generator=generator)
    fitted = DATA.inverse(torch.randn(100, 1, 8, 8, generator=generator))
    shuffled = real.flatten()[torch.randperm(real.numel(), generator=generator)].reshape(real.shape)
    for noise in (uniform, fitted, shuffled[:100]):
        assert "unlike the data, their neighboring" in doubt(likeness(noise, real), "")
    few = real[:20]
    assert doubt(likeness(few, real), "") == ""


def test_a_preprocessing_that_fits_better_is_named(some, data):
    images = seen(some[0] / 255, "zca", data)
    assert better_fitting(images, "data", data) == "zca"
    assert better_fitting(images, "zca", data) == ""


def test_images_of_one_color_are_counted(digits):
    real = digits.pixels("train")[:5]
    assert num_constant(real) == 0
    assert (
        num_constant(torch.cat([real, torch.zeros_like(real[:2]), torch.full_like(real[:1], 9)]))
        == 3
    )


@pytest.mark.parametrize(
    ("normalized", "words"),
    [
        ([1, -1], r"\[black, white\]"),
        ({"mean": [0.1]}, "use none, data"),
        ({"mean": [0.1, 0.2], "std": [0.1, 0.2]}, "one number for each channel"),
        ({"mean": [0.1], "std": [0.0]}, "above 0"),
        ("imagenet", "images of 1 channels"),
    ],
)
def test_what_names_no_preprocessing_is_refused(some, data, normalized, words: str):
    with pytest.raises(UsageError, match=words):
        undone(seen(some[0] / 255, "data", data), normalized, data)


def test_the_datas_own_needs_a_recipe(some, data):
    with pytest.raises(UsageError, match="recipe=NAME"):
        undone(seen(some[0] / 255, "data", data), "zca", None)
