"""Grids of samples."""

from pathlib import Path

import torch
from PIL import Image

from ddoq.priors.samples import write_grid


def test_a_grid_shows_rows_of_enlarged_images(tmp_path: Path):
    images = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(6, 3, 16, 16) * 40
    write_grid(tmp_path / "grid.png", images, columns=3)
    grid = Image.open(tmp_path / "grid.png")
    assert grid.size == (3 * 33, 2 * 33)
    assert [grid.getpixel((33 * (i % 3) + 16, 33 * (i // 3) + 16))[0] for i in range(6)] == [
        0, 40, 80, 120, 160, 200,
    ]  # fmt: skip
