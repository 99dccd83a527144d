"""Distances to the nearest training images, and what they are compared with."""

import pytest
import torch

from ddoq import keyed
from ddoq.pushforward.memorization import (
    Nearness,
    nearest,
    nearest_rows,
    nearness,
    share_of_training,
)


def normal(num: int, purpose: str) -> torch.Tensor:
    return keyed.normal(keyed.seed_of(purpose), torch.arange(num), (6,))


def test_distances_are_root_mean_squares_in_any_parts():
    rows, references = normal(300, "rows"), normal(50, "references")
    expected = torch.stack([(references - row).square().mean(1).min().sqrt() for row in rows])
    for size in (7, 50):
        torch.testing.assert_close(nearest(rows, references.split(size)), expected)


def test_copies_are_at_distance_zero_exactly():
    references = normal(50, "references") + 1000
    assert nearest(references[[3, 40]], references.split(20)).tolist() == [0, 0]


def test_the_nearest_reference_is_named_by_its_number_over_all_parts():
    references = normal(50, "references")
    index, squares = nearest_rows(references[[3, 40, 19]] + 1e-3, references.split(20))
    assert index.tolist() == [3, 40, 19]
    torch.testing.assert_close(squares, torch.full((3,), 6e-6), rtol=1e-3, atol=1e-9)


def test_images_half_as_far_as_held_out_ones_have_a_ratio_of_one_half():
    held_out = torch.arange(1, 201) / 100
    found = nearness(held_out / 2, held_out)
    assert found.ratio == pytest.approx(0.5)
    # The first percentile is 0.0299, and 0.005 to 0.025 are below it.
    assert found.share == 5 / 200


def test_held_out_images_are_the_yardstick_of_themselves():
    held_out = torch.arange(1.0, 1001)
    assert nearness(held_out, held_out) == Nearness(1.0, 10 / 1000)


def test_copies_come_nearer_than_all():
    assert nearness(torch.zeros(5), torch.arange(1.0, 101)) == Nearness(0.0, 1.0)


def test_copies_are_told_where_some_held_out_images_are_copies_too():
    held_out = torch.cat([torch.zeros(2), torch.arange(1.0, 99)])
    assert nearness(torch.zeros(5), held_out) == Nearness(0.0, 1.0)
    # In features, a copy is as far away as rounding takes it.
    assert nearness(torch.full((5,), 1e-3), held_out + 1e-4).share == 1.0


def test_held_out_images_that_are_copies_are_no_yardstick():
    assert nearness(torch.ones(5), torch.zeros(100)) == Nearness(None, 0.0)


def test_an_image_that_is_off_by_a_gray_level_is_no_training_image():
    train = torch.randint(0, 256, (50, 3 * 32**2), generator=torch.Generator().manual_seed(0)) / 255
    same, off = train[:3], train[3:5] + 1 / 255
    assert share_of_training(nearest(torch.cat([same, off]), [train])) == 3 / 5
