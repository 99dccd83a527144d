"""Do learned numbers become images, and back?"""

import pytest
import torch
from torch.nn import functional as F

from ddoq.data.preprocessing import Normalize
from ddoq.errors import UsageError
from ddoq.parameterizations.pixels import Pixels
from ddoq.parameterizations.tiles import Tiles, folded
from ddoq.protocols.tiles import unfolded
from ddoq.synthetic import SyntheticSet

NORMALIZE = Normalize((0.4,), (0.2,))
IMAGES = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_pixels_begin_and_finish_as_the_images_they_are():
    for clamp in (False, True):
        pixels = Pixels(NORMALIZE, clamp=clamp)
        learned = pixels.begin(IMAGES)
        torch.testing.assert_close(pixels.finish(learned), IMAGES)
        seen = pixels.decode(learned, torch.tensor([5, 2]))
        torch.testing.assert_close(seen, NORMALIZE.forward(IMAGES[[5, 2]]))


def test_clamped_pixels_stay_between_black_and_white_and_others_do_not():
    for clamp, low in ((True, 0.0), (False, -1.6)):
        pixels = Pixels(NORMALIZE, clamp=clamp)
        learned = {"images": torch.full((1, 1, 2, 2), -10.0)}
        pixels.settle(learned)
        assert pixels.finish(learned).min() == pytest.approx(low)


def test_tiles_that_are_cut_apart_are_the_shrunk_images_enlarged():
    small = F.interpolate(IMAGES, size=(4, 4), mode="bilinear", antialias=True)
    wanted = F.interpolate(small, size=(8, 8), mode="bilinear")
    torch.testing.assert_close(unfolded(folded(IMAGES, 2), 2), wanted)


def test_a_set_with_tiles_is_cut_apart_as_the_loop_saw_it():
    tiles = Tiles(NORMALIZE, 8)
    learned = tiles.begin(IMAGES)
    images = tiles.finish(learned)
    labels = torch.tensor([0, 1])
    synthetic = SyntheticSet(images, labels, torch.tensor([1.0, 2]), ("a", "b"), ("a", "b"))
    apart = synthetic.unfolded(2)
    seen = tiles.decode(learned, torch.arange(2))
    torch.testing.assert_close(NORMALIZE.forward(apart.images), seen)
    assert apart.labels.tolist() == [0] * 4 + [1] * 4
    assert apart.weights.tolist() == [1] * 4 + [2] * 4


def test_one_tile_is_the_image():
    whole, pixels = Tiles(NORMALIZE, 8, factor=1), Pixels(NORMALIZE)
    rows = torch.arange(8)
    wanted = pixels.decode(pixels.begin(IMAGES), rows)
    torch.testing.assert_close(whole.decode(whole.begin(IMAGES), rows), wanted)


def test_tiles_that_do_not_divide_are_refused():
    with pytest.raises(UsageError, match="8 pixels cannot be cut into 3 x 3"):
        Tiles(NORMALIZE, 8, factor=3)
