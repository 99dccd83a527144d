"""Is every picture of a set where the page says it is?"""

import base64
import io
from dataclasses import asdict, replace

import torch
from PIL import Image

from ddoq.report.pictures import Gallery, galleries, gallery, picture
from ddoq.synthetic import SyntheticSet
from tests.report.conftest import synthetic


def opened(source: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).convert("RGBA")


def test_images_stand_heaviest_first_above_their_nearest():
    shown = gallery(synthetic(), "plain", lambda images: 255 - images)
    grid = opened(shown.classes[0].source)
    assert grid.size == (3 * 8 + 2, 2 * 8 + 1)
    assert [grid.getpixel((9 * i, 0))[0] for i in range(3)] == [120, 60, 0]
    assert [grid.getpixel((9 * i, 9))[0] for i in range(3)] == [135, 195, 255]
    assert grid.getpixel((8, 0))[3] == 0
    assert shown.classes[0].shares == (0.5, 0.4, 0.1)


def test_only_the_first_decoder_shows_nearest_images_and_weights_add_no_gallery():
    first = replace(synthetic(), provenance={"decoder": {"name": "plain"}})
    again = replace(first, weights=torch.ones(4))
    other = replace(first, provenance={"decoder": {"name": "dit"}})
    found = galleries([first, again, other], lambda images: images)
    assert [(g.title, g.classes[0].has_nearest) for g in found] == [("plain", True), ("dit", False)]


def test_several_sizes_have_a_gallery_each():
    large, rows = synthetic(), torch.tensor([0, 3])
    parts = {name: getattr(large, name)[rows] for name in ("images", "labels", "weights")}
    found = galleries([large, replace(large, **parts)])
    assert [g.title for g in found] == ["set, 3 per class", "set, 1 per class"]


def test_large_pictures_are_reduced_and_compressed():
    noise = torch.randint(0, 256, (4, 3, 224, 224), generator=torch.Generator().manual_seed(0))
    large = picture([noise.to(torch.uint8)])
    assert large.startswith("data:image/webp")
    assert opened(large).size == (4 * 72 + 3 * 4, 72)


def test_floats_are_clamped_and_said_to_be():
    images = torch.tensor([-0.5, 0.5, 1.5, 0.0])[:, None, None, None].expand(4, 1, 2, 2)
    shown = gallery(replace(synthetic(), images=images, space="image"), "learned")
    assert shown.is_clamped
    assert [opened(shown.classes[0].source).getpixel((3 * i, 0))[0] for i in range(3)] == [
        255,
        128,
        0,
    ]


def test_at_most_twenty_classes_with_ten_images_are_shown():
    many = SyntheticSet(
        images=torch.zeros(300, 1, 2, 2, dtype=torch.uint8),
        labels=torch.arange(25).repeat_interleave(12),
        weights=torch.ones(300),
        class_names=tuple(f"class{i}" for i in range(25)),
        class_ids=tuple(map(str, range(25))),
    )
    shown = gallery(many, "plain")
    assert (len(shown.classes), shown.num_classes) == (20, 25)
    assert {grid.num_images for grid in shown.classes} == {10}


def test_images_without_any_weight_have_no_share():
    assert gallery(replace(synthetic(), weights=torch.tensor([0.0, 0, 0, 1])), "x").classes[
        0
    ].shares == (0, 0, 0)


def test_a_gallery_comes_back_as_it_was():
    shown = gallery(synthetic(), "plain")
    assert Gallery.read(asdict(shown)) == shown
