"""Are copies of test images noticed, and training images counted?"""

import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ddoq.data.images import Images
from ddoq.data.source import Split
from ddoq.formats.copies import copies


def jpeg(images: torch.Tensor) -> torch.Tensor:
    found: list[torch.Tensor] = []
    for image in images:
        stream = io.BytesIO()
        Image.fromarray(image[0].numpy()).save(stream, "JPEG", quality=90)
        found.append(torch.from_numpy(np.array(Image.open(stream)))[None])
    return torch.stack(found)


def test_exact_and_near_copies_of_test_images_are_found(digits: Images):
    test, train = digits.pixels("test"), digits.pixels("train")
    own = torch.cat([train[:3], test[5:6], jpeg(test[6:7]), test[7:8]]).float() / 255
    own[5] += 0.01
    found = copies(own, digits, "test")
    assert found.of_measured == [3, 4, 5]
    assert found.num_of_training == 3


def test_training_images_and_means_are_no_copies(digits: Images):
    train, labels = digits.pixels("train"), digits.train.labels
    means = torch.stack([(train[labels == c] / 255).mean(0) for c in range(10)])
    assert copies(means, digits, "test").of_measured == []
    found = copies(train[:200], digits, "test")
    assert (found.of_measured, found.num_of_training) == ([], 200)


def test_a_tile_that_is_a_test_image_is_found(digits: Images):
    train, test = digits.pixels("train").float() / 255, digits.pixels("test").float() / 255
    small = F.interpolate(torch.cat([train[:7], test[5:6]]), size=(4, 4), mode="area")
    tiled = torch.cat([train[:1], _collage(small)])
    found = copies(tiled, digits, "test", tiles=2)
    assert (found.of_measured, found.num_of_training) == ([2], 3)
    assert copies(tiled, digits, "test").of_measured == []


def _collage(small: torch.Tensor) -> torch.Tensor:
    """Return images of two rows and columns, row by row."""
    four = small.reshape(-1, 2, 2, *small.shape[1:])
    return four.permute(0, 3, 1, 4, 2, 5).reshape(len(four), 1, 8, 8)


class Twice:
    """Images of 70 pixels, of which the first test image is the first training image too."""

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(0)
        pixels = torch.randint(0, 256, (12, 1, 70, 70), generator=draw, dtype=torch.uint8)
        labels = torch.arange(12) % 2
        whole = Split(labels, lambda i, size: pixels[i])
        self.train = whole.select(torch.arange(8))
        self.val = whole.select(torch.arange(0))
        self.test = whole.select(torch.tensor([0, 9, 10, 11]))
        self.class_names = self.class_ids = ("a", "b")
        self.channels, self.image_size = 1, 70
        self.mean, self.std = (0.5,), (0.25,)
        self.fingerprint = "twice"


def test_an_image_that_is_in_both_splits_is_a_training_image_also_if_it_is_large():
    images = Images(Twice())
    own = torch.cat([images.pixels("train")[:2], images.pixels("test")[2:3]])
    found = copies(own, images, "test")
    assert (found.of_measured, found.num_of_training) == ([2], 2)
