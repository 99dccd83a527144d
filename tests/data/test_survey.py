import os
from pathlib import Path

import pytest

from ddoq.data.survey import remembered, stamp


def test_a_file_replaced_at_the_same_size_and_time_has_another_stamp(tmp_path: Path):
    file, other = tmp_path / "a.png", tmp_path / "b.png"
    for place, text in ((file, "old"), (other, "new")):
        place.write_text(text)
        os.utime(place, ns=(0, 0))
    before = stamp(str(file))
    other.replace(file)
    assert stamp(str(file)) != before


def test_a_file_written_over_at_the_same_size_and_time_has_another_stamp(tmp_path: Path):
    file = tmp_path / "a.png"
    file.write_text("old")
    os.utime(file, ns=(0, 0))
    before = stamp(str(file))
    file.write_text("new")
    os.utime(file, ns=(0, 0))
    assert stamp(str(file)) != before


@pytest.mark.parametrize(
    "damaged", ["", "[]", "{}", "3", '{"content": "x"}', "\x00\xff", "[" * 10_000, None]
)
def test_a_damaged_memo_is_computed_again(tmp_path: Path, damaged: str | None):
    value = {"content": "abc", "unreadable": {"a.png": "why"}}
    remembered("key", lambda: value, memo=tmp_path)
    (file,) = tmp_path.iterdir()
    text = file.read_text().replace("abc", "abx") if damaged is None else damaged
    file.write_text(text, encoding="latin-1")
    assert remembered("key", lambda: value, memo=tmp_path) == value
    assert remembered("key", lambda: {}, memo=tmp_path) == value
