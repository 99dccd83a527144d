"""Do splits read what is chosen, and are they carved class by class?"""

import re
from pathlib import Path

import pytest
import torch

import ddoq
from ddoq.data.source import Split, carve
from ddoq.recipe.signature import signature
from ddoq.recipe.tables import IMAGES


def _numbered(labels):
    """A split whose image i is filled with the value i."""
    labels = torch.tensor(labels)
    return Split(
        labels, lambda i, size: i.to(torch.uint8)[:, None, None, None].repeat(1, 1, size, size)
    )


def test_a_selected_split_reads_the_chosen_images():
    chosen = _numbered([0, 1, 0, 1]).select(torch.tensor([3, 1])).select(torch.tensor([1]))
    assert chosen.labels.tolist() == [1]
    assert chosen.read(torch.tensor([0]), 1).flatten().tolist() == [1]
    assert chosen.names(0) == "1"


def test_the_indices_of_a_class_are_in_order():
    assert _numbered([1, 0, 1, 1]).of_class(1).tolist() == [0, 2, 3]


def test_carving_takes_a_share_of_every_class():
    labels = torch.tensor([0] * 10 + [1] * 20)
    kept, carved = carve(labels, 0.2, seed=0, what="test")
    assert labels[carved].bincount().tolist() == [2, 4]
    assert sorted(kept.tolist() + carved.tolist()) == list(range(30))


def test_carving_depends_on_the_seed_and_the_purpose_only():
    labels = torch.arange(100) % 2
    first = carve(labels, 0.3, seed=0, what="test")[1]
    assert torch.equal(first, carve(labels, 0.3, seed=0, what="test")[1])
    assert not torch.equal(first, carve(labels, 0.3, seed=1, what="test")[1])
    assert not torch.equal(first, carve(labels, 0.3, seed=0, what="val")[1])


def test_carving_leaves_a_class_of_one_image_whole():
    kept, carved = carve(torch.tensor([0, 1, 1]), 0.9, seed=0, what="val")
    assert 0 in kept.tolist()
    assert len(carved) == 1


@pytest.mark.parametrize("name", IMAGES)
def test_every_key_of_a_source_is_documented(name: str):
    text = (Path(ddoq.__file__).parents[1] / "docs" / "recipes.md").read_text(encoding="utf-8")
    table = text.partition("## Data\n")[2].partition("## Glyphs")[0]
    listed = {key for row in table.splitlines() for key in re.findall(r"`(\w+)`", row[:40])}
    assert set(signature(IMAGES[name]).parameters) <= listed
