"""Letters and digits of many typefaces, distorted and cluttered: made here, offline.

A picture is a function of the seed, the name of its split and its index. The typefaces are those
that come with matplotlib.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import PIL
import torch
from jaxtyping import Int, UInt8
from PIL import features
from torch import Tensor

from ddoq import keyed
from ddoq.data.conversion import resized
from ddoq.data.drawing import NUMBERS, Typefaces, draw
from ddoq.data.source import Split
from ddoq.errors import ResourceError, UsageError
from ddoq.files.artifacts import fingerprint

LETTERS = "AEHJMORSTX" + "K4Y2LG3ZWNPF7CUVDBQ5I869" + "aergtfbdhmnq"
"""The classes, the most different ones first. No two differ by size alone, as O, o and 0 do."""

FACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold"),
    *("DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmr10", "cmb10", "cmss10", "cmti10", "cmtt10"),
)
"""Matplotlib's files that draw all of them. Its other ones lack some, or hold symbols."""

# The version of the drawing. A change of a picture raises it.
_DRAWING = 1
_SIDES = (16, 64)
_NOISE = 20
"""The most gray levels that noise adds to a pixel or takes from it."""


class Glyphs:
    """Letters, as many as asked for. All classes have as many pictures, within one.

    By default a ConvNet of depth 3 and width 32 reaches, with 200 updates, 81 % on the full data
    and 33 % on ten random images per class (`small_hard`); a ResNet-18 reaches 99 %.

    Args:
        train: The number of training images of all classes together; so `val` and `test`.
        classes: The first of `LETTERS`, 2 to 46.
        image_size: 16 to 64.
        seed: Another seed draws other pictures.
    """

    def __init__(
        self,
        *,
        train: int = 20_000,
        val: int = 2_000,
        test: int = 5_000,
        classes: int = 10,
        image_size: int = 32,
        seed: int = 0,
    ) -> None:
        _refuse(train, val, test, classes, image_size)
        files = typefaces()
        self.class_names = self.class_ids = tuple(LETTERS[:classes])
        self.channels, self.image_size = 3, image_size
        picture = partial(_pictures, Typefaces(files), LETTERS[:classes], image_size, seed)
        self.train = _split(picture, "train", train, classes)
        self.val = _split(picture, "val", val, classes)
        self.test = _split(picture, "test", test, classes)
        self.mean, self.std = (0.5, 0.5, 0.5), (0.29, 0.29, 0.29)
        self.fingerprint = fingerprint(
            {
                "source": ["glyphs", _DRAWING],
                "drawn_by": [PIL.__version__, features.version("freetype2"), _digest(files)],
                "pictures": [train, val, test, LETTERS[:classes], image_size, seed],
            }
        )


def typefaces() -> list[Path]:
    """Return the files of the typefaces. To import matplotlib would take a second."""
    package = find_spec("matplotlib")
    place = Path(package.origin).parent if package and package.origin else Path()
    files = [place / "mpl-data" / "fonts" / "ttf" / f"{face}.ttf" for face in FACES]
    missing = [file.name for file in files if not file.is_file()]
    if package is None or missing:
        raise ResourceError(
            f"the typefaces that come with matplotlib are missing: {', '.join(missing)}",
            "pip install --force-reinstall matplotlib, or take other data, such as data=digits",
        )
    return files


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _refuse(train: int, val: int, test: int, classes: int, image_size: int) -> None:
    if not 2 <= classes <= len(LETTERS):
        raise UsageError(f"data.classes={classes}", f"it is at least 2 and at most {len(LETTERS)}")
    if not _SIDES[0] <= image_size <= _SIDES[1]:
        raise UsageError(
            f"data.image_size={image_size}", f"it is at least {_SIDES[0]} and at most {_SIDES[1]}"
        )
    for name, num, least in (("train", train, classes), ("val", val, 0), ("test", test, classes)):
        if num < least:
            raise UsageError(
                f"data.{name}={num}", f"it is the number of images of all classes, at least {least}"
            )


def _split(
    picture: Callable[[str, Int[Tensor, " m"]], UInt8[Tensor, "m 3 side side"]],
    name: str,
    num: int,
    classes: int,
) -> Split:
    return Split(torch.arange(num) % classes, lambda i, size: resized(picture(name, i), size))


def _pictures(
    faces: Typefaces,
    classes: str,
    side: int,
    seed: int,
    name: str,
    ids: Int[Tensor, " m"],
) -> UInt8[Tensor, "m 3 side side"]:
    """Draw pictures of a split. They do not depend on the numbers of images."""
    numbers = keyed.uniform(keyed.seed_of("glyphs", name, seed), ids, NUMBERS).tolist()
    letters = [classes[i % len(classes)] for i in ids.tolist()]
    drawn = [
        np.asarray(draw(n, letter, LETTERS, faces, side))
        for n, letter in zip(numbers, letters, strict=True)
    ]
    clean = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2)
    noise = keyed.uniform(keyed.seed_of("glyphs", "noise", name, seed), ids, clean[0].numel())
    levels = ((2 * noise - 1) * _NOISE).round().reshape(clean.shape)
    return (clean + levels).clamp(0, 255).to(torch.uint8)
