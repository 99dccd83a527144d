"""Decoding of picture files to square 8-bit pixels."""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Int, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ddoq.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# Above this, Pillow itself warns of decompression bombs.
MAX_PIXELS = 1024**3 // 4 // 3
NORMALIZATION: dict[int, tuple[tuple[float, ...], tuple[float, ...]]] = {
    1: ((0.5,), (0.25,)),
    3: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # ImageNet's
}
# Pixels decoded per pixel asked for, along a side, where a JPEG is decoded reduced. Of photographs
# of 4000 x 3000, decoded in a fifth of the time, the pixels at 32 to 224 differ by 0.1 to 0.2 gray
# levels in the mean, by 2 at most.
REDUCED_TO = 4
REMEDY = "replace or remove it, or leave out all such pictures with data.on_bad=skip"
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")

Fit = Literal["crop", "squash"]
T = TypeVar("T")


def picture(
    content: bytes, size: int, *, channels: int = 3, fit: Fit = "crop", name: str = "a picture"
) -> UInt8[Tensor, "channels size size"]:
    """Decode a picture file of any mode to square 8-bit pixels.

    Transparent pixels are laid on white, the EXIF orientation is applied, and an animation gives
    its first frame. `crop` scales the short side and keeps the center, as torchvision's `Resize`
    and `CenterCrop` do. `squash` scales both sides.
    """
    mode = {1: "L", 3: "RGB"}[channels]
    try:
        image = converted(reduced(opened(content), REDUCED_TO * size), mode)
    except Exception as error:  # Decoders raise anything on hostile bytes.
        raise DataError(f"{name}: {reason(error)}", REMEDY) from error
    box = _center(image.size, size) if fit == "crop" else None
    scaled = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    pixels = torch.from_numpy(np.array(scaled)).reshape(size, size, channels)
    return pixels.permute(2, 0, 1).contiguous()


def pictures(
    load: Callable[[int], bytes],
    names: Callable[[int], str],
    indices: Int[Tensor, " n"],
    size: int,
    *,
    channels: int = 3,
    fit: Fit = "crop",
) -> UInt8[Tensor, "n channels size size"]:
    """Load and decode pictures by index, with a thread per core, in the given order."""

    def read(index: int) -> Tensor:
        try:
            content = load(index)
        except OSError as error:
            raise DataError(f"{names(index)}: {reason(error)}", REMEDY) from error
        return picture(content, size, channels=channels, fit=fit, name=names(index))

    decoded = torch.empty(len(indices), channels, size, size, dtype=torch.uint8)
    for row, pixels in enumerate(in_order(read, indices.tolist())):
        decoded[row] = pixels
    return decoded


def in_order(function: Callable[[int], T], items: Sequence[int]) -> Iterator[T]:
    """Apply a function to items with a thread per core: Pillow decodes without the global lock."""
    num_threads = torch.get_num_threads()
    # A task per item would take as long as decoding a small picture.
    step = max(1, min(64, len(items) // (4 * num_threads)))

    def some(start: int) -> list[T]:
        return [function(item) for item in items[start : start + step]]

    with ThreadPoolExecutor(num_threads) as pool:
        for results in pool.map(some, range(0, len(items), step)):
            yield from results


def opened(content: bytes) -> Image.Image:
    """Read a picture's header. Refuse a file that is no picture or too large."""
    if not content:
        raise ValueError("it is empty")
    image = Image.open(io.BytesIO(content), formats=_FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    return image


def reduced(image: Image.Image, least: int) -> Image.Image:
    """Let a JPEG be decoded at 1/8, 1/4 or 1/2, where no side is then shorter than `least`.

    Only at a part that both sides can be divided by: what is cut out of it stays in its place.
    """
    for part in (8, 4, 2):
        sides = image.width // part, image.height // part
        if min(sides) >= least and image.size == (sides[0] * part, sides[1] * part):
            image.draft(None, sides)
            break
    return image


def converted(image: Image.Image, mode: str) -> Image.Image:
    """Decode a picture to `L` or `RGB`, upright and opaque."""
    ImageOps.exif_transpose(image, in_place=True)
    image.load()
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would clip at 255.
        gray = np.asarray(image).astype(np.float32) / 257
        image = Image.fromarray(gray.round().astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("32-bit gray has no agreed white; convert it to 8 or 16 bits")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert(mode)


def reason(error: Exception) -> str:
    """Say in words why a picture could not be read."""
    if isinstance(error, UnidentifiedImageError):
        return f"it is no readable picture (of {', '.join(_FORMATS)})"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"it has more than {MAX_PIXELS:,} pixels"
    return str(error) or type(error).__name__


def _center(sides: tuple[int, int], size: int) -> tuple[float, float, float, float]:
    """Return the part of a picture that scales to the center square of the scaled picture.

    Resizing this part equals cropping the resized whole, but does not make the whole, which is
    huge for a picture of 1 x 10,000 pixels.
    """
    lengths = [size * side // min(sides) for side in sides]
    starts = [round((length - size) / 2) for length in lengths]
    left, top = (start * side / n for start, side, n in zip(starts, sides, lengths, strict=True))
    right, bottom = (
        min((start + size) * side / n, side)
        for start, side, n in zip(starts, sides, lengths, strict=True)
    )
    return left, top, right, bottom
