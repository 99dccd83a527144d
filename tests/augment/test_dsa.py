import math

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import chisquare

from ddoq import keyed
from ddoq.augment import dsa
from ddoq.protocols.presets import PRESETS

ALL = "color_crop_cutout_flip_scale_rotate"


@pytest.fixture
def images() -> torch.Tensor:
    """Normalized images."""
    return torch.randn(40, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def random() -> torch.Tensor:
    return keyed.uniform(0, torch.arange(40), dsa.NUM_DRAWS)


@pytest.mark.parametrize("height", [16, 20, 9])
def test_a_crop_is_a_shift_with_zeros(images, random, height):
    images = images[:, :, :height] if height < 16 else F.pad(images, (0, 0, 0, height - 16))
    up, left = int(height / 8 + 0.5), 2
    padded = F.pad(images, (left, left, up, up))
    cropped = dsa.apply(images, random, "crop")
    for image, (down, right, _), done in zip(padded, random.tolist(), cropped, strict=True):
        row, column = math.floor(down * (2 * up + 1)), math.floor(right * (2 * left + 1))
        assert torch.equal(done, image[:, row : row + height, column : column + 16])


def test_all_shifts_are_equally_likely():
    images = torch.arange(1.0, 257.0).reshape(1, 1, 16, 16).expand(5000, 1, 16, 16)
    cropped = dsa.apply(images, keyed.uniform(1, torch.arange(5000), 3), "crop")
    counts = cropped[:, 0, 8, 8].unique(return_counts=True)[1]
    assert len(counts) == 25
    assert chisquare(counts.numpy()).pvalue > 0.01


def cut_lines(number: float, length: int) -> list[int]:
    """The lines that DSA's source cuts out: those beyond the border are moved to it."""
    side = int(length / 2 + 0.5)
    offset = math.floor(number * (length + 1 - side % 2))
    return sorted({min(max(i + offset - side // 2, 0), length - 1) for i in range(side)})


@pytest.mark.parametrize("size", [16, 9])
def test_a_cutout_is_the_box_of_the_source(images, random, size):
    images = images[:, :, :size, :size]
    cut = dsa.apply(images, random, "cutout")
    for image, (down, right, _), done in zip(images, random.tolist(), cut, strict=True):
        expected = image.clone()
        for row in cut_lines(down, size):
            expected[:, row, cut_lines(right, size)] = 0
        assert torch.equal(done, expected)


def test_a_cutout_takes_a_quarter_in_the_middle_and_a_sixteenth_or_so_in_a_corner():
    ones = torch.ones(3, 1, 16, 16)
    random = torch.tensor([[0.5, 0.5, 0], [0, 0, 0], [1 - 2.0**-24, 1 - 2.0**-24, 0]])
    gone = (dsa.apply(ones, random, "cutout") == 0)[:, 0]
    assert gone.sum((1, 2)).tolist() == [64, 16, 16]
    assert bool(gone[1, :4, :4].all())
    assert bool(gone[2, 12:, 12:].all())


def test_a_flip_mirrors_below_a_half(images, random):
    flipped = dsa.apply(images, random, "flip")
    for image, number, done in zip(images, random[:, 0].tolist(), flipped, strict=True):
        assert torch.equal(done, image.flip(2) if number < 0.5 else image)


def moved(image: torch.Tensor, matrix: list[list[float]]) -> torch.Tensor:
    grid = F.affine_grid(torch.tensor([matrix]), [1, *image.shape], align_corners=False)
    return F.grid_sample(image[None], grid, align_corners=False)[0]


def test_scaling_stretches_each_axis_by_a_factor_of_its_own(images, random):
    scaled = dsa.apply(images, random, "scale")
    for image, numbers, done in zip(images, random.tolist(), scaled, strict=True):
        x, y = (1 / 1.2 + number * (1.2 - 1 / 1.2) for number in numbers[:2])
        expected = moved(image, [[x, 0.0, 0.0], [0.0, y, 0.0]])
        torch.testing.assert_close(done, expected, atol=1e-5, rtol=0)


def test_a_rotation_turns_by_up_to_15_degrees(images, random):
    turned = dsa.apply(images, random, "rotate")
    for image, (number, _, _), done in zip(images, random.tolist(), turned, strict=True):
        angle = math.radians(15 * (2 * number - 1))
        cos, sin = math.cos(angle), math.sin(angle)
        expected = moved(image, [[cos, -sin, 0.0], [sin, cos, 0.0]])
        torch.testing.assert_close(done, expected, atol=1e-5, rtol=0)


def test_a_rotation_by_nothing_is_the_image(images):
    turned = dsa.apply(images, torch.full((40, 3), 0.5), "rotate")
    torch.testing.assert_close(turned, images, atol=1e-5, rtol=0)


def test_color_changes_brightness_then_saturation_then_contrast(images, random):
    colored = dsa.apply(images, random, "color")
    for image, numbers, done in zip(images, random.tolist(), colored, strict=True):
        brightness, saturation, contrast = numbers
        x = image + brightness - 0.5
        gray = (x[0] + x[1] + x[2]) / 3
        x = gray + 2 * saturation * (x - gray)
        mean = float(x.mean())
        torch.testing.assert_close(done, mean + (contrast + 0.5) * (x - mean), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("strategy", dsa.STRATEGIES)
def test_an_image_is_changed_by_its_own_numbers_only(images, random, strategy):
    some = torch.tensor([30, 2, 17])
    part = dsa.apply(images[some], random[some], strategy)
    whole = dsa.apply(images, random, strategy)
    torch.testing.assert_close(part, whole[some], atol=1e-6, rtol=0)


@pytest.mark.parametrize("strategy", dsa.STRATEGIES)
def test_gray_images_are_changed_too(images, random, strategy):
    changed = dsa.apply(images[:, :1], random, strategy)
    assert changed.shape == (40, 1, 16, 16)
    assert bool((changed != images[:, :1]).any())


def test_the_strategy_is_a_function_of_seed_and_step():
    first, again, other = ([dsa.chosen(ALL, seed, t) for t in range(30)] for seed in (1, 1, 2))
    assert first == again != other


def test_strategies_are_equally_likely():
    chosen = [dsa.chosen(ALL, seed, step) for seed in range(10) for step in range(120)]
    counts = [chosen.count(name) for name in dsa.STRATEGIES]
    assert sum(counts) == 1200
    assert chisquare(counts).pvalue > 0.01


def test_one_strategy_alone_is_always_chosen():
    assert {dsa.chosen("cutout", 0, step) for step in range(10)} == {"cutout"}


def test_the_preset_names_strategies_that_exist():
    assert set(PRESETS["dc"].dsa.split("_")) == set(dsa.STRATEGIES)
