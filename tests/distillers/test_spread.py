"""Do images inherit their points and masses, whether they are more or fewer?"""

import torch

from ddoq.distillers.spread import spread
from ddoq.quantize.quantization import Quantization

# Class 0 has three points, class 1 two.
LABELS = torch.tensor([0, 0, 0, 1, 1])
MASSES = torch.tensor([0.5, 0.2, 0.3, 0.4, 0.6]).double()
POINTS = Quantization(
    points=torch.arange(5.0)[:, None],
    labels=LABELS,
    counts=torch.tensor([5, 2, 3, 4, 6]),
    masses=MASSES,
    distortions=torch.zeros(2).double(),
    requested=torch.tensor([3, 2]),
)


def test_as_many_images_as_points_are_the_points():
    assert spread(POINTS, None).images is POINTS
    assert torch.equal(spread(POINTS, [3, 2]).images.points, POINTS.points)


def test_heavier_points_have_the_images_that_are_left_over():
    images = spread(POINTS, [4, 5]).images
    assert images.points[:, 0].tolist() == [0, 0, 1, 2, 3, 3, 4, 4, 4]
    assert images.ranks.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4]


def test_a_points_images_share_its_mass():
    drawn = spread(POINTS, [6, 4])
    assert torch.allclose(drawn.of_points(drawn.images.masses), MASSES)


def test_fewer_images_are_those_of_the_heaviest_points():
    drawn = spread(POINTS, [2, 1])
    assert drawn.images.points[:, 0].tolist() == [0, 2, 4]
    assert torch.allclose(drawn.images.masses, torch.tensor([0.625, 0.375, 1.0]).double())
