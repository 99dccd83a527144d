"""W2 of latents and weighted images against closed forms."""

import pytest
import torch

from ddoq import keyed
from ddoq.pushforward.distance import Distance, class_w2, w2_of_classes


def line(*places: float) -> torch.Tensor:
    return torch.tensor(places, dtype=torch.float32)[:, None, None]


def test_two_latents_are_as_far_from_their_mean_as_from_each_other_halved():
    assert class_w2(line(0, 2), line(1), torch.ones(1)) == Distance(1.0, 1.0)


def test_weights_that_differ_from_the_masses_move_mass():
    """A quarter of the mass must go from 0 to 1."""
    found = class_w2(line(0, 1), line(0, 1), torch.tensor([3.0, 1.0]))
    assert found.lower == found.upper == pytest.approx(0.5)


def test_on_a_line_the_distance_is_that_of_sorted_values():
    a, b = (keyed.normal(keyed.seed_of(name), torch.arange(40), (1,)) for name in "ab")
    expected = (a.sort(0).values - b.sort(0).values).square().mean().sqrt()
    assert class_w2(a, b, torch.ones(40)).upper == pytest.approx(float(expected), rel=1e-6)


def test_each_class_that_has_weight_has_a_distance():
    latents = {0: line(0, 2), 1: line(0, 6), 2: line(0, 100)}
    encoded, labels = line(1, 3, 50), torch.tensor([0, 1, 2])
    found = w2_of_classes(latents.__getitem__, encoded, labels, torch.tensor([1.0, 0.5, 0.0]))
    assert found == {0: Distance(1.0, 1.0), 1: Distance(3.0, 3.0)}
    assert Distance.mean([*found.values()]) == Distance(2.0, 2.0)


def test_a_set_without_classes_has_no_distance():
    assert Distance.mean([]) is None
