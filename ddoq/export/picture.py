"""The picture of a set on its card: a row of images for each class."""

from pathlib import Path

import torch
from torch import Tensor

from ddoq.data.conversion import as_bytes
from ddoq.export.writer import png
from ddoq.synthetic import SyntheticSet

_CLASSES, _IMAGES = 10, 10
# The side of an image in the picture, in pixels: small ones are enlarged, large ones reduced.
_LEAST, _MOST = 32, 96
_GAP = 2


def write_picture(file: Path, synthetic: SyntheticSet) -> None:
    """Write a grid of the first classes, with the first images of each in a row."""
    labels = range(min(synthetic.num_classes, _CLASSES))
    rows = [_shown(synthetic.images[synthetic.labels == c][:_IMAGES]) for c in labels]
    side, widest = rows[0].shape[-1] + _GAP, max(len(row) for row in rows)
    canvas = torch.full((3, len(rows) * side, widest * side), 255, dtype=torch.uint8)
    for top, row in enumerate(rows):
        for left, image in enumerate(row):
            place = (
                slice(top * side, (top + 1) * side - _GAP),
                slice(left * side, (left + 1) * side - _GAP),
            )
            canvas[:, place[0], place[1]] = image
    file.write_bytes(png(canvas))


def _shown(images: Tensor) -> Tensor:
    """Return images as colors of 8 bits, at the size at which they are shown."""
    levels = images if images.dtype == torch.uint8 else as_bytes(images)
    colors = levels[:, :3] if levels.shape[1] >= 3 else levels[:, :1].expand(-1, 3, -1, -1)
    side = colors.shape[-1]
    if side < _LEAST:
        times = -(-_LEAST // side)
        return colors.repeat_interleave(times, 2).repeat_interleave(times, 3)
    if side <= _MOST:
        return colors
    reduced = torch.nn.functional.interpolate(
        colors.float(), size=(_MOST, _MOST), mode="bilinear", antialias=True
    )
    return reduced.round().to(torch.uint8)
