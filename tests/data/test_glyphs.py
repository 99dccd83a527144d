import numpy as np
import pytest
import torch
from PIL import Image, ImageFont

from ddoq.data import glyphs as module
from ddoq.data.drawing import NUMBERS, Typefaces, draw
from ddoq.data.glyphs import LETTERS, Glyphs, typefaces
from ddoq.errors import ResourceError, UsageError

FEW = {"train": 60, "val": 20, "test": 40}


@pytest.fixture(scope="module")
def glyphs():
    return Glyphs(**FEW)


def _pixels(split, size=32):
    return split.read(torch.arange(len(split)), size)


def test_the_pictures_are_a_function_of_the_seed(glyphs):
    assert _pixels(Glyphs(**FEW).train).equal(_pixels(glyphs.train))
    other = _pixels(Glyphs(**FEW, seed=1).train)
    assert all(not a.equal(b) for a, b in zip(other, _pixels(glyphs.train), strict=True))


def test_a_picture_depends_on_its_split_and_index_alone(glyphs):
    many = Glyphs(train=200, val=0, test=11)
    chosen = torch.tensor([41, 7])
    assert many.train.read(chosen, 32).equal(_pixels(glyphs.train)[chosen])
    assert many.test.read(torch.tensor([5]), 32)[0].equal(_pixels(glyphs.test)[5])


def test_no_picture_is_in_two_splits_or_twice_in_one(glyphs):
    together = torch.cat([_pixels(s) for s in (glyphs.train, glyphs.val, glyphs.test)])
    assert len(together.flatten(1).unique(dim=0)) == 120


@pytest.mark.parametrize("classes", [10, 46])
def test_classes_are_balanced(classes):
    data = Glyphs(train=1000, val=100, test=500, classes=classes)
    for split in (data.train, data.val, data.test):
        counts = torch.bincount(split.labels)
        assert len(counts) == classes
        assert counts.max() - counts.min() <= 1


def test_no_two_classes_differ_by_size_alone():
    assert len(set(LETTERS)) == 46
    for alike in ("0Oo", "Il1|", *(a + a.lower() for a in "CIJKLOPSUVWXYZ")):
        assert sum(letter in alike for letter in LETTERS) <= 1


def _normed(face, letter):
    """Return a letter's pixels, stretched to one size."""
    font = ImageFont.truetype(face, 64)
    mask = font.getmask(letter)
    image = Image.frombytes("L", mask.size, bytes(mask))
    return np.asarray(image.resize((16, 16)), float) / 255


@pytest.mark.parametrize("face", typefaces(), ids=lambda file: file.stem)
def test_every_typeface_draws_every_letter_and_none_twice(face):
    """A missing letter is drawn as the same box as any other that is missing."""
    missing = _normed(face, "\uffff")
    letters = [_normed(face, letter) for letter in LETTERS]
    assert all(np.abs(letter - missing).mean() > 0.05 for letter in letters)
    apart = [np.abs(a - b).mean() for i, a in enumerate(letters) for b in letters[:i]]
    assert min(apart) > 0.02


def test_the_letter_stands_out_from_its_ground_at_every_draw():
    faces = Typefaces(typefaces()[:1])
    numbers = torch.rand(300, NUMBERS, generator=torch.Generator().manual_seed(0))
    for row in numbers.tolist():
        picture = np.asarray(draw(row, "H", LETTERS, faces, 32).convert("L"), float)
        assert picture.std() > 8


@pytest.mark.parametrize("number", [0.0, 1 - 2**-24])
def test_the_numbers_of_a_picture_suffice_at_both_ends(number):
    picture = draw([number] * NUMBERS, "A", LETTERS, Typefaces(typefaces()), 16)
    assert picture.size == (16, 16)


@pytest.mark.parametrize("size", [16, 33, 64])
def test_a_picture_looks_the_same_at_every_size(glyphs, size):
    data = Glyphs(**FEW, image_size=size)
    same, small = _pixels(data.val, 16).float(), _pixels(glyphs.val, 16).float()
    near, far = (same - small).abs().mean(), (same.roll(1, 0) - small).abs().mean()
    assert near < far / 5


def test_the_mean_and_deviation_are_those_of_the_pixels():
    pixels = _pixels(Glyphs(train=3000).train) / 255
    assert pixels.mean((0, 2, 3)).numpy() == pytest.approx(np.array([0.5] * 3), abs=0.015)
    assert pixels.std((0, 2, 3)).numpy() == pytest.approx(np.array([0.29] * 3), abs=0.015)


@pytest.mark.parametrize(
    "setting",
    [{"train": 61}, {"test": 41}, {"val": 21}, {"classes": 11}, {"image_size": 16}, {"seed": 1}],
)
def test_the_fingerprint_tells_settings_apart(glyphs, setting):
    assert Glyphs(**FEW).fingerprint == glyphs.fingerprint != Glyphs(**FEW | setting).fingerprint


@pytest.mark.parametrize(
    "setting",
    [
        *({"classes": 1}, {"classes": 47}, {"image_size": 15}, {"image_size": 65}),
        *({"train": 9}, {"test": 0}, {"val": -1}),
    ],
)
def test_settings_that_cannot_be_drawn_are_refused_with_their_range(setting):
    with pytest.raises(UsageError, match=rf"data.{next(iter(setting))}=.*\n.*at least"):
        Glyphs(**setting)


def test_without_matplotlib_one_hears_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(ResourceError, match=r"DejaVuSans.ttf(.|\n)*pip install"):
        Glyphs()
