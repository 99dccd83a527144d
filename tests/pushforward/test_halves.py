"""Can one half of a set tell the classes of the other?"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ddoq import recipe
from ddoq.distillers.random import Random
from ddoq.protocols.presets import PRESETS
from ddoq.pushforward.halves import as_many, halves, redundancy, too_few
from ddoq.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    student = "student={name: convnet, depth: 2, width: 8}"
    return Run(recipe.read(["recipe=digits", student, f"cache={tmp_path}"]).recipe)


def test_halves_are_a_partition_of_every_class():
    labels = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1, 0])
    first, second = halves(labels, 0)
    assert torch.cat([first, second]).sort().values.tolist() == list(range(9))
    assert labels[first].bincount().tolist() == [3, 2]
    assert labels[second].bincount().tolist() == [2, 2]


def test_another_seed_divides_otherwise():
    labels = torch.zeros(20, dtype=torch.int64)
    drawn = {tuple(halves(labels, seed)[0].tolist()) for seed in (0, 0, 1, 2)}
    assert len(drawn) == 3


def test_soft_labels_are_replaced_and_nothing_else():
    pruned = PRESETS["small"].change(label_keep=0.5, label_dtype="float16", steps=7)
    expected = PRESETS["small_hard"].change(steps=7)
    assert pruned.with_hard_labels().key() == expected.key()
    assert expected.with_hard_labels() is expected


def test_fewer_than_four_images_of_a_class_are_too_few():
    assert "3 images" in too_few(torch.tensor([0, 0, 0, 1, 1, 1, 1]))
    assert too_few(torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])) == ""


def test_as_many_real_images_are_those_of_the_random_row(run: Run):
    row = Random(images_per_class=3).distill(run.images, run, 5)
    assert as_many(run.images, row.labels, 5) == row


def test_repeated_images_predict_each_other_and_shuffled_labels_do_not(run: Run):
    protocol = PRESETS["small"].change(steps=60, crop=None, lr=0.01)
    drawn = Random(images_per_class=6).distill(run.images, run, 0)
    first = torch.arange(10).repeat_interleave(6) * 6
    repeated = replace(drawn, images=drawn.images[first])
    shuffled = replace(drawn, labels=drawn.labels[torch.randperm(60)])
    found = redundancy(run, repeated, protocol, 0)
    assert found.synthetic > 0.95 > found.random > 0.3
    assert redundancy(run, drawn, protocol, 0).synthetic == found.random
    assert redundancy(run, shuffled, protocol, 0).synthetic < 0.3


def test_a_set_in_floats_is_tested_on_in_8_bits(run: Run):
    protocol = PRESETS["small_hard"].change(steps=5)
    drawn = Random(images_per_class=4).distill(run.images, run, 0)
    floats = replace(drawn, images=drawn.images / 255)
    found = [redundancy(run, s, protocol, 0).synthetic for s in (drawn, floats)]
    assert found[0] == pytest.approx(found[1], abs=0.05)


def test_halves_of_a_collage_are_compared_tile_by_tile(run: Run):
    """Each class has one image, in every tile: both halves are the same."""
    protocol = PRESETS["small"].change(steps=60, crop=None, lr=0.01)
    drawn = Random(images_per_class=4).distill(run.images, run, 0)
    first = torch.arange(10).repeat_interleave(4) * 4
    small = drawn.images[first][:, :, ::2, ::2]
    collage = replace(drawn, images=small.tile(1, 1, 2, 2), hints={"tiles": 2})
    assert redundancy(run, collage, protocol.change(uses_hints=["tiles"]), 0).synthetic > 0.95
