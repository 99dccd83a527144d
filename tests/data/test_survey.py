import os
from pathlib import Path

from ddoq.data.survey import stamp


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
