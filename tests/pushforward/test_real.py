"""The real images that sets are compared with."""

from pathlib import Path

import pytest
import torch

from ddoq import recipe
from ddoq.pushforward.judge import judge_of
from ddoq.pushforward.real import real_of, sample_like
from ddoq.run import Run


def test_a_sample_has_the_shares_of_the_set():
    train = torch.arange(3).repeat_interleave(100)
    rows = sample_like(torch.tensor([0, 0, 0, 2]), train, most=1000)
    assert torch.bincount(train[rows], minlength=3).tolist() == [100, 0, 33]
    assert len(rows.unique()) == 133


def test_a_sample_is_limited_but_has_every_class():
    train = torch.arange(3).repeat_interleave(100)
    labels = torch.tensor([0] * 50 + [1])
    rows = sample_like(labels, train, most=20)
    assert torch.bincount(train[rows], minlength=3).tolist() == [19, 1, 0]


def test_held_out_images_are_measured_against_training_images(tmp_path: Path):
    run = Run(recipe.read(["recipe=digits", f"cache={tmp_path}"]).recipe)
    real = real_of(run, judge_of(run, is_used=True))
    train, test = (run.images.pixels(name).flatten(1) / 255 for name in ("train", "test"))
    expected = (torch.cdist(test, train).min(1).values / 8).median()
    assert float(real.pixels.median()) == pytest.approx(float(expected), rel=1e-4)
    assert real.in_class == pytest.approx(0.99, abs=0.01)
    assert real.train is not None
    torch.testing.assert_close(real.train[:50], run.teacher.features(train[:50].view(-1, 1, 8, 8)))


def test_without_a_judge_there_are_pixels_alone(tmp_path: Path):
    run = Run(recipe.read(["recipe=digits", f"cache={tmp_path}"]).recipe)
    real = real_of(run, None)
    assert (real.in_class, real.train, real.features) == (None, None, None)
    assert len(real.pixels) == 539
