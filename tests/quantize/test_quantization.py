from dataclasses import fields
from pathlib import Path

import pytest
import torch

from ddoq.files.tensors import write_tensors
from ddoq.quantize.quantization import Quantization


@pytest.fixture
def ragged() -> Quantization:
    """Three classes with two, no and one points."""
    return Quantization(
        points=torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        labels=torch.tensor([0, 0, 2]),
        counts=torch.tensor([3, 1, 7]),
        masses=torch.tensor([0.75, 0.25, 1.0], dtype=torch.float64),
        distortions=torch.tensor([0.25, 0.0, 4.0], dtype=torch.float64),
        requested=torch.tensor([2, 4, 2]),
    )


def test_classes_are_found_by_their_offsets(ragged: Quantization):
    assert ragged.offsets.tolist() == [0, 2, 2, 3]
    assert ragged.class_counts.tolist() == [4, 0, 7]


def test_ranks_number_the_points_within_a_class(ragged: Quantization):
    assert ragged.ranks.tolist() == [0, 1, 0]


def test_what_is_saved_is_loaded(ragged: Quantization, tmp_path: Path):
    ragged.save(tmp_path)
    loaded = Quantization.load(tmp_path)
    for field in fields(Quantization):
        assert torch.equal(getattr(loaded, field.name), getattr(ragged, field.name))


def test_joined_parts_are_one_quantization(ragged: Quantization, tmp_path: Path):
    for name, rows in {"first": slice(0, 2), "none": slice(2, 2), "last": slice(2, 3)}.items():
        c = ("first", "none", "last").index(name)
        classes = {"distortions": slice(c, c + 1), "requested": slice(c, c + 1)}
        content = {
            f.name: getattr(ragged, f.name)[classes.get(f.name, rows)] for f in fields(Quantization)
        }
        write_tensors(tmp_path / name, content)
    Quantization.join([tmp_path / n for n in ("first", "none", "last")], tmp_path)
    loaded = Quantization.load(tmp_path)
    for field in fields(Quantization):
        assert torch.equal(getattr(loaded, field.name), getattr(ragged, field.name))
