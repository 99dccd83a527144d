"""Grids of samples, and the teacher's verdict on them."""

from pathlib import Path

import torch
from PIL import Image

from ddoq import recipe
from ddoq.priors.samples import teacher_at_hand, write_grid
from ddoq.run import Run


def test_a_grid_shows_rows_of_enlarged_images(tmp_path: Path):
    images = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(6, 3, 16, 16) * 40
    write_grid(tmp_path / "grid.png", images, columns=3)
    grid = Image.open(tmp_path / "grid.png")
    assert grid.size == (3 * 33, 2 * 33)
    assert [grid.getpixel((33 * (i % 3) + 16, 33 * (i // 3) + 16))[0] for i in range(6)] == [
        0, 40, 80, 120, 160, 200,
    ]  # fmt: skip


def test_a_teacher_that_has_yet_to_be_trained_is_not_asked(tmp_path: Path):
    chosen = ["recipe=digits", "teacher.source=pretrain", "pretrain.teacher.steps=2"]
    run = Run(recipe.read([*chosen, f"cache={tmp_path}"]).recipe)
    assert teacher_at_hand(run) is None
    run.pretrained("teacher")
    assert teacher_at_hand(run) is run.teacher
