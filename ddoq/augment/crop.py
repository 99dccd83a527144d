"""Random resized crops: torchvision's boxes, Pillow's antialiased resizing, all images at once.

Resizing is linear and separable. Where it shrinks, each image has one small matrix for its rows and
one for its columns.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

_ATTEMPTS = 10
NUM_DRAWS = 2 * _ATTEMPTS + 2
_RATIO = (3 / 4, 4 / 3)


def draw_boxes(
    random: Float[Tensor, "n draws"], *, scale: tuple[float, float], size: int
) -> Int[Tensor, "n 4"]:
    """Draw boxes (left, top, width, height) as torchvision's RandomResizedCrop does.

    An area and an aspect ratio are drawn until the rounded box fits. After ten attempts the whole
    image is taken. `random` holds `NUM_DRAWS` numbers in [0, 1) for each image.
    """
    attempts = random[:, : 2 * _ATTEMPTS].double()
    area = size**2 * (scale[0] + (scale[1] - scale[0]) * attempts[:, 0::2])
    low, high = map(math.log, _RATIO)
    ratio = torch.exp(low + (high - low) * attempts[:, 1::2])
    width, height = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (width > 0) & (width <= size) & (height > 0) & (height <= size)
    first = fits.to(torch.int64).argmax(1, keepdim=True)
    has_any = fits.any(1)
    width = torch.where(has_any, width.gather(1, first)[:, 0], size)
    height = torch.where(has_any, height.gather(1, first)[:, 0], size)
    left = (random[:, -2].double() * (size - width + 1)).floor()
    top = (random[:, -1].double() * (size - height + 1)).floor()
    return torch.stack([left, top, width, height], 1).to(torch.int64)


def resize_crops(
    images: Float[Tensor, "n c h w"],
    boxes: Int[Tensor, "n 4"],
    size: int,
    mirrored: Bool[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c size size"]:
    """Cut a box out of each image and resize it to `size` by the antialiased bilinear filter.

    Pixels beyond the box have no influence, as if it had been cut out first. The images that
    `mirrored` names are mirrored afterwards.
    """
    boxes = boxes.to(images.device, images.dtype)
    if mirrored is not None:
        mirrored = mirrored.to(images.device)
    if max(images.shape[2:]) <= size:
        # No box is larger than the result, so the filter is plain interpolation, which is faster.
        return _interpolated(images, boxes, size, mirrored)
    left, top, width, height = boxes.unbind(1)
    columns = _weights(left, width, images.shape[3], size)
    rows = _weights(top, height, images.shape[2], size)
    if mirrored is not None:
        columns = torch.where(mirrored[:, None, None], columns.flip(1), columns)
    return rows[:, None] @ images @ columns[:, None].transpose(2, 3)


def _interpolated(
    images: Tensor, boxes: Float[Tensor, "n 4"], size: int, mirrored: Tensor | None
) -> Tensor:
    left, top, width, height = boxes.unbind(1)
    x, y = _places(left, width, images.shape[3], size), _places(top, height, images.shape[2], size)
    if mirrored is not None:
        x = torch.where(mirrored[:, None], x.flip(1), x)
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), 3)
    return F.grid_sample(images, grid, align_corners=False)


def _places(
    start: Float[Tensor, " n"], length: Float[Tensor, " n"], num_pixels: int, size: int
) -> Float[Tensor, "n size"]:
    """Return the places of resized pixels on a line, from -1 to 1, clamped to the box."""
    at = torch.arange(size, dtype=start.dtype, device=start.device) + 0.5
    place = start[:, None] + at * (length / size)[:, None]
    low, high = start[:, None] + 0.5, (start + length)[:, None] - 0.5
    return 2 * place.clamp(low, high) / num_pixels - 1


def _weights(
    start: Float[Tensor, " n"], length: Float[Tensor, " n"], num_pixels: int, size: int
) -> Float[Tensor, "n size pixels"]:
    """Return the weight of each pixel of a line in each pixel of the resized box."""
    scale = (length / size)[:, None]
    at = torch.arange(size, dtype=start.dtype, device=start.device) + 0.5
    center = (start[:, None] + at * scale)[:, :, None]
    pixel = torch.arange(num_pixels, dtype=start.dtype, device=start.device)
    # The triangle is as wide as a pixel of the result or of the image, whichever is wider.
    weights = 1 - (pixel + 0.5 - center).abs() / scale.clamp_min(1)[:, :, None]
    is_inside = (pixel >= start[:, None]) & (pixel < (start + length)[:, None])
    weights = weights.clamp_min(0) * is_inside[:, None]
    return weights / weights.sum(2, keepdim=True)


def flip(
    images: Float[Tensor, "n c h w"], mirrored: Bool[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    """Mirror some of the images."""
    return torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)
