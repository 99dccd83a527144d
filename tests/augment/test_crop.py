import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.stats import ks_2samp
from torchvision.transforms import v2

from ddoq import keyed
from ddoq.augment import crop, pil
from ddoq.augment.crop import draw_boxes, resize_crops
from ddoq.data.conversion import as_bytes, as_floats

SIZES = [5, 16, 33, 64]


@pytest.fixture
def images() -> torch.Tensor:
    """Twelve images of 8 bits, 3x32x32."""
    draw = torch.Generator().manual_seed(0)
    return torch.randint(256, (12, 3, 32, 32), generator=draw) / 255


@pytest.fixture
def boxes() -> torch.Tensor:
    """Twelve boxes of any shape in 32x32 pixels; the first is one pixel, the second all."""
    random = torch.rand(12, 4, generator=torch.Generator().manual_seed(1))
    lengths = 1 + (random[:, :2] * 32).long()
    starts = (random[:, 2:] * (33 - lengths)).long()
    boxes = torch.cat([starts, lengths], 1)
    boxes[:2] = torch.tensor([[31, 0, 1, 1], [0, 0, 32, 32]])
    return boxes


def drawn(n: int, seed: int = 0, **settings) -> torch.Tensor:
    return draw_boxes(keyed.uniform(seed, torch.arange(n), crop.NUM_DRAWS), **settings)


def pictures(images: torch.Tensor) -> list[Image.Image]:
    pixels = as_bytes(images).permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(p[:, :, 0] if p.shape[2] == 1 else p) for p in pixels]


@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.5, 1.0)])
@pytest.mark.parametrize("size", [32, 224])
def test_boxes_have_torchvisions_distribution(scale, size):
    torch.manual_seed(0)
    image, n = torch.empty(1, size, size), 3000
    get = v2.RandomResizedCrop.get_params
    theirs = torch.tensor([get(image, list(scale), [3 / 4, 4 / 3]) for _ in range(n)])
    theirs = theirs[:, [1, 0, 3, 2]]
    ours = drawn(n, scale=scale, size=size)
    for of in (
        lambda b: b[:, 0],
        lambda b: b[:, 1],
        lambda b: b[:, 2],
        lambda b: b[:, 3],
        lambda b: b[:, 2] * b[:, 3],
        lambda b: b[:, 2] / b[:, 3],
        lambda b: b[:, 0] + b[:, 2],
    ):
        assert ks_2samp(of(ours).numpy(), of(theirs).numpy()).pvalue > 0.005


def test_boxes_lie_inside_the_image():
    random = keyed.uniform(0, torch.arange(2000), crop.NUM_DRAWS)
    random[:2, -2:] = torch.tensor([[0.0, 0.0], [1 - 2.0**-24, 1 - 2.0**-24]])
    left, top, width, height = draw_boxes(random, scale=(0.01, 1.0), size=9).unbind(1)
    assert int(torch.stack([left, top]).min()) == 0
    assert int(torch.stack([width, height]).min()) >= 1
    assert int((left + width).max()) == int((top + height).max()) == 9


def test_the_first_box_that_fits_is_taken():
    random = torch.full((1, crop.NUM_DRAWS), 0.5)
    random[0, :4] = torch.tensor([0.999, 0.999, 0.0, 0.5])  # too wide; a quarter, square
    random[0, -2:] = torch.tensor([0.0, 0.999])
    assert draw_boxes(random, scale=(0.25, 1.0), size=16).tolist() == [[0, 8, 8, 8]]


def test_where_no_box_fits_the_whole_image_is_taken():
    assert drawn(50, scale=(2.0, 3.0), size=16).unique(dim=0).tolist() == [[0, 0, 16, 16]]


@pytest.mark.parametrize("size", SIZES)
def test_a_crop_is_that_of_pillow_to_one_gray_level(images, boxes, size):
    ours = 255 * resize_crops(images, boxes, size)
    for picture, box, done in zip(pictures(images), boxes.tolist(), ours, strict=True):
        left, top, width, height = box
        cut = picture.crop((left, top, left + width, top + height))
        theirs = np.asarray(cut.resize((size, size), Image.Resampling.BILINEAR))
        difference = done.permute(1, 2, 0).numpy() - theirs
        assert np.abs(difference).max() < 1.01


@pytest.mark.parametrize("size", SIZES)
def test_a_crop_is_torchs_antialiased_resizing_of_the_box(images, boxes, size):
    ours = resize_crops(images, boxes, size)
    for image, (left, top, width, height), done in zip(images, boxes.tolist(), ours, strict=True):
        cut = image[None, :, top : top + height, left : left + width]
        theirs = F.interpolate(cut, size=(size, size), mode="bilinear", antialias=True)[0]
        torch.testing.assert_close(done, theirs, atol=1e-5, rtol=0)


def test_images_need_not_be_square(images):
    flat = images[:1, :, :20]
    ours = resize_crops(flat, torch.tensor([[3, 2, 25, 18]]), 11)
    cut = flat[:, :, 2:20, 3:28]
    theirs = F.interpolate(cut, size=(11, 11), mode="bilinear", antialias=True)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_pillows_crops_are_torchvisions_bit_for_bit(images, boxes, size, channels):
    images = images[:, :channels]
    ours = as_bytes(pil.resize_crops(images, boxes, size))
    for picture, (left, top, width, height), done in zip(
        pictures(images), boxes.tolist(), ours, strict=True
    ):
        theirs = v2.functional.resized_crop(picture, top, left, height, width, [size, size])
        assert torch.equal(done, v2.functional.pil_to_tensor(theirs))


@pytest.mark.parametrize("resize", [resize_crops, pil.resize_crops])
def test_a_crop_of_everything_is_the_image(images, resize):
    everything = torch.tensor([[0, 0, 32, 32]]).expand(12, 4)
    assert torch.equal(resize(images, everything, 32), as_floats(as_bytes(images)))


@pytest.mark.parametrize("resize", [resize_crops, pil.resize_crops])
def test_gray_images_are_cropped_as_one_channel_of_many(images, boxes, resize):
    assert torch.equal(resize(images[:, 1:2], boxes, 16), resize(images, boxes, 16)[:, 1:2])


@pytest.mark.parametrize("size", [16, 32, 48])
def test_a_mirrored_crop_is_the_mirror_of_the_crop(images, size: int):
    random = torch.rand(12, crop.NUM_DRAWS, generator=torch.Generator().manual_seed(3))
    boxes = crop.draw_boxes(random, scale=(0.2, 1.0), size=32)
    mirrored = torch.arange(12) % 3 == 0
    plain = crop.resize_crops(images, boxes, size)
    expected = crop.flip(plain, mirrored)
    found = crop.resize_crops(images, boxes, size, mirrored)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert torch.equal(expected[1], plain[1])
    assert torch.equal(expected[3], plain[3].flip(2))
    by_pillow = pil.resize_crops(images, boxes, size, mirrored)
    assert torch.equal(by_pillow, crop.flip(pil.resize_crops(images, boxes, size), mirrored))
