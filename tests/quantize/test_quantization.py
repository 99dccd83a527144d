from pathlib import Path

import pytest
import torch

from ddoq.quantize.quantization import Quantization


@pytest.fixture
def ragged() -> Quantization:
    """Three classes with two, no and one points."""
    return Quantization(
        points=torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        labels=torch.tensor([0, 0, 2]),
        counts=torch.tensor([3, 1, 7]),
        distortions=torch.tensor([0.25, 0.0, 4.0], dtype=torch.float64),
    )


def test_masses_are_shares_of_the_class(ragged: Quantization):
    assert ragged.masses.tolist() == [0.75, 0.25, 1.0]


def test_classes_are_found_by_their_offsets(ragged: Quantization):
    assert ragged.offsets.tolist() == [0, 2, 2, 3]
    assert ragged.class_counts.tolist() == [4, 0, 7]


def test_ranks_number_the_points_within_a_class(ragged: Quantization):
    assert ragged.ranks.tolist() == [0, 1, 0]


def test_a_certificate_tells_distance_and_effective_size(ragged: Quantization):
    first, none, last = ragged.certificates(("a", "b", "c"))
    assert first["w2"] == 0.5
    assert first["effective_size"] == pytest.approx(1 / (0.75**2 + 0.25**2))
    assert (none["points"], none["effective_share"]) == (0, 0.0)
    assert (last["latents"], last["distortion"], last["w2"]) == (7, 4.0, 2.0)


def test_what_is_saved_is_loaded(ragged: Quantization, tmp_path: Path):
    ragged.save(tmp_path)
    loaded = Quantization.load(tmp_path)
    for name in ("points", "labels", "counts", "distortions"):
        assert torch.equal(getattr(loaded, name), getattr(ragged, name))
