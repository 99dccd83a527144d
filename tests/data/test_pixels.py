"""Are pictures decoded once, whoever asks, and gone on with after an interruption?"""

from pathlib import Path

import pytest
import torch
from filelock import FileLock

from ddoq.data import pixels
from ddoq.data.source import Split
from ddoq.files.artifacts import sha256


class Counting:
    """A split whose image i is filled with i, and which notes what is read of it."""

    def __init__(self, num: int = 20):
        self.read: list[int] = []
        self.split = Split(torch.zeros(num, dtype=torch.int64), self._read)

    def _read(self, indices, size):
        self.read += indices.tolist()
        return indices.to(torch.uint8)[:, None, None, None].repeat(1, 3, size, size)


@pytest.fixture(autouse=True)
def parts_are_small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pixels, "_PER_PART", 6)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_what_is_mapped_is_what_was_read(work: Path):
    rows = torch.tensor([3, 19, 0, 5, 5, 7, 2])
    pixels.decode(Counting().split, rows, 2, work)
    pixels.join(work, len(rows))
    found = pixels.mapped(work)
    assert found.shape == (7, 3, 2, 2)
    assert found[:, 0, 0, 0].tolist() == rows.tolist()
    assert [file.name for file in work.iterdir()] == ["pixels.safetensors"]


def test_a_call_goes_on_where_another_was_interrupted(work: Path):
    rows, counting, told = torch.arange(20), Counting(), []
    pixels.decode(counting.split, rows[:12], 2, work)
    counting.read.clear()
    pixels.decode(counting.split, rows, 2, work, advance=told.append)
    assert counting.read == list(range(12, 20))
    assert told == [6, 6, 6, 2]


def test_a_join_that_was_interrupted_is_finished(work: Path):
    counting = Counting()
    pixels.decode(counting.split, torch.arange(20), 2, work)
    left = (work / "part-00002.safetensors").read_bytes()
    pixels.join(work, 20)
    before = sha256(work / "pixels.safetensors")
    (work / "part-00002.safetensors").write_bytes(left)
    pixels.decode(counting.split, torch.arange(20), 2, work)
    pixels.join(work, 20)
    assert counting.read == list(range(20))
    assert [sha256(file) for file in work.iterdir()] == [before]


def test_every_process_begins_with_its_own_parts(work: Path):
    counting = Counting()
    pixels.decode(counting.split, torch.arange(20), 2, work, first=lambda parts: [*parts[1::2]])
    assert counting.read == [*range(6, 12), 18, 19, *range(6), *range(12, 18)]


def test_a_part_that_somebody_is_at_is_waited_for(work: Path):
    """The other process ends without it, after this one has done all the others."""
    counting = Counting()
    pixels.locks(work).mkdir()
    lock = FileLock(pixels.locks(work) / "part-00001")
    lock.acquire()
    pixels.decode(
        counting.split,
        torch.arange(20),
        2,
        work,
        advance=lambda _: lock.release() if len(counting.read) == 14 else None,
    )
    assert counting.read == [*range(6), *range(12, 20), *range(6, 12)]


def test_nothing_is_decoded_that_was_published_meanwhile(work: Path):
    counting = Counting()
    pixels.decode(counting.split, torch.arange(20), 2, work, is_done=lambda: len(counting.read) > 5)
    assert counting.read == list(range(6))
