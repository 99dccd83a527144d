"""Are images converted and resized as they should be?"""

import numpy as np
import torch
from PIL import Image

from ddoq.data.conversion import as_bytes, as_floats, resized


def test_bytes_survive_being_floats():
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(as_bytes(as_floats(values)), values)


def test_shrinking_is_antialiased_as_in_pillow():
    values = torch.randint(256, (40, 40), generator=torch.Generator().manual_seed(0))
    image = values.to(torch.uint8)
    expected = np.array(Image.fromarray(image.numpy()).resize((7, 7), Image.Resampling.BILINEAR))
    difference = resized(image[None, None], 7)[0, 0].int() - torch.tensor(expected).int()
    assert difference.abs().max() <= 1


def test_an_image_of_the_right_size_is_not_touched():
    image = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    assert resized(image, 2) is image
