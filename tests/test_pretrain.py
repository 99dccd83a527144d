from pathlib import Path

import pytest

from ddoq.errors import UsageError
from ddoq.pretrain import main


@pytest.mark.parametrize("part", ["autoencoder", "prior", "teacher"])
def test_a_folder_of_the_users_is_refused_before_any_work(tmp_path: Path, part: str):
    mine = tmp_path / "out" / part / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(UsageError, match=f"{part} holds files that ddoq did not publish"):
        main(["recipe=digits", f"out={tmp_path / 'out'}", f"cache={tmp_path / 'cache'}"])
    assert mine.read_text() == "mine"
    assert not (tmp_path / "cache").exists()
