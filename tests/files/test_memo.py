from pathlib import Path

import pytest

from ddoq.files.memo import remembered


@pytest.mark.parametrize(
    "damaged", ["", "[]", "{}", "3", '{"content": "x"}', "\x00\xff", "[" * 10_000, None]
)
def test_a_damaged_memo_is_computed_again(tmp_path: Path, damaged: str | None):
    value = {"content": "abc", "unreadable": {"a.png": "why"}}
    remembered("pictures", "key", lambda: value, memo=tmp_path)
    (file,) = tmp_path.iterdir()
    text = file.read_text().replace("abc", "abx") if damaged is None else damaged
    file.write_text(text, encoding="latin-1")
    assert remembered("pictures", "key", lambda: value, memo=tmp_path) == value
    assert remembered("pictures", "key", lambda: {}, memo=tmp_path) == value


def test_what_failed_is_tried_again(tmp_path: Path):
    def fail() -> dict[str, str]:
        raise ValueError("no such model")

    for _ in range(2):
        with pytest.raises(ValueError, match="no such model"):
            remembered("model", "key", fail, memo=tmp_path)


def test_memos_of_other_things_are_kept_apart(tmp_path: Path):
    remembered("model", "key", lambda: {"a": 1}, memo=tmp_path)
    assert remembered("student", "key", lambda: {"a": 2}, memo=tmp_path) == {"a": 2}
