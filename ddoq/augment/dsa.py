"""The augmentation of DSA (Zhao and Bilen 2021), as the field evaluates with it.

It works on normalized images. A whole step has one strategy, and each image its own parameters.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ddoq import keyed

# DSA's published parameters.
_SCALE, _ROTATE, _SHIFT, _CUTOUT = 1.2, 15.0, 0.125, 0.5
_BRIGHTNESS, _SATURATION, _CONTRAST = 1.0, 2.0, 0.5

NUM_DRAWS = 3


def chosen(strategies: str, seed: int, step: int) -> str:
    """Return the strategy of a step, drawn from those that `_` joins."""
    names = strategies.split("_")
    number = torch.randint(len(names), (1,), generator=keyed.generator("dsa", seed, step))
    return names[int(number)]


def apply(
    images: Float[Tensor, "n c h w"], random: Float[Tensor, "n 3"], strategy: str
) -> Float[Tensor, "n c h w"]:
    """Change normalized images by one strategy; `random` holds numbers in [0, 1)."""
    return STRATEGIES[strategy](images, random.to(images))


def _color(images: Tensor, random: Tensor) -> Tensor:
    """Change brightness, saturation and contrast, in this order."""
    brightness, saturation, contrast = random[:, :, None, None, None].unbind(1)
    images = images + (brightness - 0.5) * _BRIGHTNESS
    gray = images.mean(1, keepdim=True)
    images = (images - gray) * (saturation * _SATURATION) + gray
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * (contrast + _CONTRAST) + mean


def _crop(images: Tensor, random: Tensor) -> Tensor:
    """Shift by up to an eighth of a side; pixels that come in are 0."""
    height, width = images.shape[2:]
    down = _integers(random[:, 0], -_rounded(height * _SHIFT), _rounded(height * _SHIFT))
    right = _integers(random[:, 1], -_rounded(width * _SHIFT), _rounded(width * _SHIFT))
    rows = torch.arange(height, device=images.device) + down[:, None]
    columns = torch.arange(width, device=images.device) + right[:, None]
    is_inside = ((rows >= 0) & (rows < height))[:, :, None]
    is_inside = is_inside & ((columns >= 0) & (columns < width))[:, None, :]
    rows = rows.clamp(0, height - 1)[:, None, :, None].expand_as(images)
    columns = columns.clamp(0, width - 1)[:, None, None, :].expand_as(images)
    return images.gather(2, rows).gather(3, columns) * is_inside[:, None]


def _cutout(images: Tensor, random: Tensor) -> Tensor:
    """Set a box of half the size to 0 at a random place, cut off at the border."""
    masks: list[Tensor] = []
    for axis, number in ((2, random[:, 0]), (3, random[:, 1])):
        length = images.shape[axis]
        side = _rounded(length * _CUTOUT)
        center = _integers(number, 0, length - side % 2)
        first = (center - side // 2)[:, None]
        at = torch.arange(length, device=images.device)
        masks.append((at >= first) & (at < first + side))
    is_cut = masks[0][:, :, None] & masks[1][:, None, :]
    return images * ~is_cut[:, None]


def _flip(images: Tensor, random: Tensor) -> Tensor:
    """Mirror each image with probability one half."""
    return torch.where((random[:, 0] < 0.5)[:, None, None, None], images.flip(3), images)


def _scale(images: Tensor, random: Tensor) -> Tensor:
    """Stretch or shrink each axis by up to a fifth."""
    factors = random[:, :2] * (_SCALE - 1 / _SCALE) + 1 / _SCALE
    zero = torch.zeros_like(factors[:, 0])
    rows = [
        torch.stack([factors[:, 0], zero, zero], 1),
        torch.stack([zero, factors[:, 1], zero], 1),
    ]
    return _moved(images, torch.stack(rows, 1))


def _rotate(images: Tensor, random: Tensor) -> Tensor:
    """Turn by up to 15 degrees."""
    angle = (random[:, 0] - 0.5) * 2 * _ROTATE * math.pi / 180
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    rows = [torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)]
    return _moved(images, torch.stack(rows, 1))


def _moved(images: Tensor, transform: Float[Tensor, "n 2 3"]) -> Tensor:
    grid = F.affine_grid(transform, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def _rounded(value: float) -> int:
    return int(value + 0.5)


def _integers(random: Tensor, low: int, high: int) -> Tensor:
    """Turn numbers in [0, 1) into integers from low to high, including both."""
    return (random * (high - low + 1)).floor().long() + low


STRATEGIES = {
    "color": _color,
    "crop": _crop,
    "cutout": _cutout,
    "flip": _flip,
    "scale": _scale,
    "rotate": _rotate,
}
