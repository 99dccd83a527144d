import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from ddoq.data import pictures as module
from ddoq.data.pictures import MAX_PIXELS, opened, picture, pictures
from ddoq.errors import DataError


def _bytes(image, kind="PNG", **settings):
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def _colors(content, size=1, **settings):
    return picture(content, size, **settings)[:, 0, 0].tolist()


def _noise(width, height):
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def _palette():
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    return image


ZOO = {
    "color": (Image.new("RGB", (4, 4), (200, 100, 50)), "PNG", [200, 100, 50]),
    "gray": (Image.new("L", (4, 4), 77), "PNG", [77] * 3),
    "one bit": (Image.new("1", (4, 4), 1), "PNG", [255] * 3),
    "palette": (_palette(), "PNG", [200, 100, 50]),
    "half opaque": (Image.new("RGBA", (4, 4), (0, 0, 255, 128)), "PNG", [127, 127, 255]),
    "transparent gray": (Image.new("LA", (4, 4), (9, 0)), "PNG", [255] * 3),
    "16 bits": (Image.fromarray(np.full((4, 4), 100 * 257, np.uint16)), "PNG", [100] * 3),
    "16 bits of TIFF": (Image.fromarray(np.full((4, 4), 65535, np.uint16)), "TIFF", [255] * 3),
    "inks": (Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF", [255, 0, 0]),
    "WebP": (Image.new("RGB", (4, 4), (0, 0, 0)), "WEBP", [0, 0, 0]),
    "bitmap": (Image.new("RGB", (4, 4), (1, 2, 3)), "BMP", [1, 2, 3]),
}


@pytest.mark.parametrize(("image", "kind", "expected"), ZOO.values(), ids=ZOO)
def test_every_mode_becomes_the_color_one_sees(image, kind, expected):
    assert _colors(_bytes(image, kind)) == expected


def test_a_transparent_palette_color_becomes_white():
    assert _colors(_bytes(_palette(), transparency=1)) == [255, 255, 255]


def test_color_becomes_gray_where_one_channel_is_asked_for():
    assert _colors(_bytes(Image.new("RGB", (4, 4), (255, 0, 0))), channels=1) == [76]


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    content = _bytes(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert _colors(content) == [10, 10, 10]


def test_a_photograph_with_a_second_picture_is_its_first():
    images = [Image.new("RGB", (8, 8), (value,) * 3) for value in (0, 255)]
    content = _bytes(images[0], "MPO", save_all=True, append_images=images[1:])
    assert _colors(content) == [0, 0, 0]


def test_the_exif_orientation_is_applied():
    image = Image.fromarray(np.array([[0, 255]], np.uint8).repeat(8, 0).repeat(8, 1))
    exif = Image.Exif()
    exif[0x0112] = 6  # Turn by a quarter, clockwise.
    decoded = picture(_bytes(image, exif=exif), 8, channels=1, fit="squash")
    assert decoded[0, 0].tolist() == [0] * 8
    assert decoded[0, -1].tolist() == [255] * 8


@pytest.mark.parametrize("sides", [(31, 47), (50, 20), (9, 9), (8, 13), (64, 63)])
def test_crop_is_what_torchvision_does(sides):
    image = _noise(*sides)
    reference = v2.Compose([v2.Resize(16), v2.CenterCrop(16), v2.PILToTensor()])(image)
    difference = picture(_bytes(image), 16).int() - reference.int()
    assert difference.abs().max() <= 1


def test_squash_is_what_torchvision_does():
    image = _noise(31, 47)
    reference = v2.Compose([v2.Resize((16, 16)), v2.PILToTensor()])(image)
    assert torch.equal(picture(_bytes(image), 16, fit="squash"), reference)


def test_a_thin_picture_is_cropped_to_its_center():
    values = np.zeros((1, 9999), np.uint8)
    values[0, 4999] = 255
    decoded = picture(_bytes(Image.fromarray(values)), 3, channels=1)
    # One source pixel is three wide, and neighbors are interpolated at a third of the way.
    assert decoded[0, 1].tolist() == [170, 255, 170]


def _huge():
    """The header of a PNG file of 20,000 x 20,000 pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    body = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + body + b"\0\0\0\0IDAT" + b"\0" * 16


BROKEN = {
    "empty": (b"", "it is empty"),
    "text": (b"not a picture at all", "no readable picture"),
    "cut off": (_bytes(_noise(64, 64), "JPEG")[:-900], "truncated"),
    "cut off PNG": (_bytes(_noise(64, 64))[:-900], "truncated"),
    "huge": (_huge(), f"more than {MAX_PIXELS:,} pixels"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", "no readable picture"),
    "32 bits": (_bytes(Image.new("F", (4, 4), 0.5), "TIFF"), "no agreed white"),
}


@pytest.mark.parametrize(("content", "wrong"), BROKEN.values(), ids=BROKEN)
def test_a_broken_picture_is_named(content, wrong):
    with pytest.raises(DataError, match=rf"cat/7\.jpg: .*{wrong}[\s\S]*on_bad=skip"):
        picture(content, 8, name="cat/7.jpg")


def test_pictures_come_in_the_order_asked_for():
    contents = [_bytes(Image.new("L", (4, 4), value)) for value in range(50)]
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    decoded = pictures(contents.__getitem__, str, order, 1, channels=1)
    assert decoded.flatten().tolist() == order.tolist()


def test_no_pictures_are_an_empty_tensor():
    none = torch.tensor([], dtype=torch.int64)
    assert pictures(lambda _: b"", str, none, 4).shape == (0, 3, 4, 4)


def test_a_file_that_vanished_is_named():
    def load(index):
        raise FileNotFoundError(index, "gone")

    with pytest.raises(DataError, match=r"picture 3: .*gone"):
        pictures(load, "picture {}".format, torch.tensor([3]), 4)


def _photograph(width, height):
    """A smooth scene with an edge and a little noise of the sensor."""
    scene = _noise(9, 7).resize((width, height), Image.Resampling.BICUBIC)
    scene.paste((250, 20, 60), (width // 3, height // 4, width // 2, height // 2))
    grain = np.random.default_rng(1).normal(0, 4, (height, width, 3))
    return Image.fromarray((np.asarray(scene) + grain).clip(0, 255).astype(np.uint8))


def _fully(content, size, monkeypatch, **settings):
    """The same picture, decoded at its own size."""
    with monkeypatch.context() as patch:
        patch.setattr(module, "reduced", lambda image, least: image)
        return picture(content, size, **settings)


@pytest.mark.parametrize("settings", [{}, {"fit": "squash"}, {"channels": 1}])
@pytest.mark.parametrize("kind", ["JPEG", "MPO"])
def test_a_large_photograph_is_decoded_reduced_and_looks_the_same(kind, settings, monkeypatch):
    content = _bytes(_photograph(640, 480), kind, quality=92)
    assert module.reduced(opened(content), 32).size == (80, 60)
    gaps = picture(content, 15, **settings).int() - _fully(content, 15, monkeypatch, **settings)
    assert gaps.abs().max() <= 3
    assert 0 < gaps.abs().float().mean() < 0.4


@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
def test_a_reduced_photograph_is_upright(orientation, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = _bytes(_photograph(640, 480), "JPEG", quality=92, exif=exif)
    gaps = picture(content, 15).int() - _fully(content, 15, monkeypatch)
    assert gaps.abs().max() <= 3


def test_inks_are_reduced_too(monkeypatch):
    content = _bytes(_photograph(640, 480).convert("CMYK"), "JPEG", quality=92)
    gaps = picture(content, 15).int() - _fully(content, 15, monkeypatch)
    assert gaps.abs().max() <= 3


@pytest.mark.parametrize(
    ("image", "kind", "size"),
    [
        (_photograph(640, 480), "JPEG", 64),  # too small
        (_photograph(641, 481), "JPEG", 8),  # its sides are odd
        (_photograph(640, 480), "PNG", 8),
        (_photograph(640, 480).convert("L"), "JPEG", 64),
    ],
)
def test_what_cannot_be_reduced_is_not_touched(image, kind, size, monkeypatch):
    content = _bytes(image, kind)
    assert picture(content, size).equal(_fully(content, size, monkeypatch))


def test_a_photograph_that_is_cut_off_is_noticed_when_it_is_reduced():
    with pytest.raises(DataError, match="truncated"):
        picture(_bytes(_photograph(640, 480), "JPEG")[:-400], 4)
