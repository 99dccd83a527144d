"""Pictures of letters: a distorted letter in front of blotches, strokes and a neighbor.

A picture is a function of numbers in [0, 1) alone. It is drawn larger and reduced. To change a
constant changes the difficulty, and with it all numbers measured on the pictures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

NUMBERS = 128
"""How many numbers a picture is given. It takes at most 95."""

_OVER = 3
_FONT_SIZE = 96
_TURN, _SHEAR = math.radians(25), 0.25
_HEIGHT, _ASPECT = (0.55, 0.9), (0.7, 1.0)
_SHIFT = 0.7
"""A letter moves over this share of the room around it."""
_CONTRAST = (0.3, 0.65)
_CHROMA, _BLOTCH = 0.5, 0.3
_BLOTCHES = 3
_BOLD, _RIM, _RIMMED = (0, 2, 4), 8, 0.25
_NEIGHBORS, _STROKES = 1, 3
_REACH = (0.5, 0.75)
_WIDTH = (0.02, 0.08)

Color = tuple[int, int, int]


class _Numbers:
    """The numbers of a picture, taken one after the other."""

    def __init__(self, numbers: Sequence[float]) -> None:
        self._rest = iter(numbers)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * next(self._rest)

    def below(self, count: int) -> int:
        return int(next(self._rest) * count)

    def color(self, luminance: float) -> Color:
        """Return a color of a luminance, as far as there is one."""
        red, green, blue = (self.between(-_CHROMA / 2, _CHROMA / 2) for _ in range(3))
        own = 0.3 * red + 0.59 * green + 0.11 * blue
        rest = luminance - own
        return _level(red + rest), _level(green + rest), _level(blue + rest)

    def luminances(self) -> tuple[float, float]:
        """Return those of the ground and of the letter, which differ enough to be told apart."""
        ground, gap, side = (
            self.between(0.0, 1.0),
            self.between(*_CONTRAST),
            self.between(-1.0, 1.0),
        )
        is_lighter = ground < gap or (side < 0 and ground + gap <= 1)
        return ground, ground + gap if is_lighter else ground - gap

    def apart(self, luminance: float) -> float:
        """Return another luminance that can be told apart from this one."""
        darker, lighter = (max(0.0, room - _CONTRAST[0]) for room in (luminance, 1 - luminance))
        place = self.between(0.0, darker + lighter)
        return place if place < darker else 1 - lighter + place - darker


def _level(share: float) -> int:
    return int(255 * min(1.0, max(0.0, share)))


@dataclass(frozen=True)
class _Pose:
    """How a letter lies in the picture. Lengths are shares of the picture's side."""

    turn: float
    shear: float
    height: float
    aspect: float
    x: float
    y: float

    @classmethod
    def drawn(cls, numbers: _Numbers, reach: tuple[float, float] | None = None) -> "_Pose":
        """Draw one inside the picture, or at a distance from its middle."""
        turn, shear = numbers.between(-_TURN, _TURN), numbers.between(-_SHEAR, _SHEAR)
        height, aspect = numbers.between(*_HEIGHT), numbers.between(*_ASPECT)
        if reach is None:
            room = (1 - height) / 2 * _SHIFT
            x, y = numbers.between(-room, room), numbers.between(-room, room)
        else:
            far, way = numbers.between(*reach), numbers.between(0.0, 2 * math.pi)
            x, y = far * math.cos(way), far * math.sin(way)
        return cls(turn, shear, height, aspect, 0.5 + x, 0.5 + y)

    def back(self, side: int, extent: int, middle: float) -> tuple[float, ...]:
        """Return Pillow's coefficients, from the picture to an outline around its middle."""
        scale = self.height * side / extent
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        # The map from the outline is rotation * [[aspect, shear], [0, 1]] * scale.
        a, b = cos * self.aspect * scale, (cos * self.shear - sin) * scale
        c, d = sin * self.aspect * scale, (sin * self.shear + cos) * scale
        det = a * d - b * c
        rows = ((d / det, -b / det), (-c / det, a / det))
        offsets = (middle - (p * self.x + q * self.y) * side for p, q in rows)
        # Libraries differ in the last bit of a cosine. Rounded, pictures do not.
        return tuple(
            round(v, 6) for (p, q), o in zip(rows, offsets, strict=True) for v in (p, q, o)
        )


class Typefaces:
    """The outlines of letters in some typefaces, each made once."""

    def __init__(self, files: Sequence[Path]) -> None:
        # Raqm, which not every Pillow has, would lay out text differently.
        basic = ImageFont.Layout.BASIC
        self._fonts = [ImageFont.truetype(f, _FONT_SIZE, layout_engine=basic) for f in files]
        self.outline = cache(self._outline)

    def __len__(self) -> int:
        return len(self._fonts)

    def _outline(self, face: int, letter: str, stroke: int) -> tuple[Image.Image, int]:
        """Return a letter in the middle of a square, and its extent without the stroke."""
        font = self._fonts[face]
        left, top, right, bottom = (int(v) for v in font.getbbox(letter))
        extent = max(right - left, bottom - top)
        side = extent + 2 * stroke + 4
        outline = Image.new("L", (side, side))
        place = (side - left - right) // 2, (side - top - bottom) // 2
        ImageDraw.Draw(outline).text(place, letter, 255, font, stroke_width=stroke)
        return outline, extent

    def placed(self, face: int, letter: str, pose: _Pose, side: int, stroke: int) -> Image.Image:
        """Return the mask of a letter in a picture of a side."""
        outline, extent = self.outline(face, letter, stroke)
        back = pose.back(side * _OVER, extent, outline.size[0] / 2)
        large = (side * _OVER, side * _OVER)
        return outline.transform(
            large, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR
        ).reduce(_OVER)


def draw(
    numbers: Sequence[float], letter: str, others: str, typefaces: Typefaces, side: int
) -> Image.Image:
    """Draw a letter. One of the others may stand beside it, cut by the picture's edge."""
    given = _Numbers(numbers)
    ground, ink = given.luminances()
    face, stroke = given.below(len(typefaces)), _BOLD[given.below(len(_BOLD))]
    pose = _Pose.drawn(given)
    picture = _ground(given, ground, side)
    _clutter(picture, given, others, typefaces)
    if given.between(0.0, 1.0) < _RIMMED:
        mask = typefaces.placed(face, letter, pose, side, stroke + _RIM)
        picture.paste(given.color(given.apart(ink)), mask=mask)
    mask = typefaces.placed(face, letter, pose, side, stroke)
    picture.paste(given.color(ink), mask=mask)
    return picture


def _ground(given: _Numbers, luminance: float, side: int) -> Image.Image:
    """Return blotches around a color."""
    levels = given.color(luminance)
    cells = bytes(
        _level(level / 255 + given.between(-_BLOTCH / 2, _BLOTCH / 2))
        for _ in range(_BLOTCHES**2)
        for level in levels
    )
    blotches = Image.frombytes("RGB", (_BLOTCHES, _BLOTCHES), cells)
    return blotches.resize((side, side), Image.Resampling.BICUBIC)


def _clutter(picture: Image.Image, given: _Numbers, others: str, typefaces: Typefaces) -> None:
    """Draw what lies behind the letter: a neighbor, and strokes."""
    side = picture.size[0]
    large = side * _OVER
    for _ in range(given.below(_NEIGHBORS + 1)):
        face, other = given.below(len(typefaces)), others[given.below(len(others))]
        mask = typefaces.placed(face, other, _Pose.drawn(given, _REACH), side, 0)
        picture.paste(given.color(given.between(0.0, 1.0)), mask=mask)
    for _ in range(given.below(_STROKES + 1)):
        ends = [given.between(-0.1, 1.1) * large for _ in range(4)]
        stroke = Image.new("L", (large, large))
        ImageDraw.Draw(stroke).line(ends, 255, int(given.between(*_WIDTH) * large))
        picture.paste(given.color(given.between(0.0, 1.0)), mask=stroke.reduce(_OVER))
