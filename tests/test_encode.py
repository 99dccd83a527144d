from pathlib import Path

import pytest

from ddoq.command import run
from ddoq.data.latents import LatentStore
from ddoq.encode import main


def test_a_folder_of_the_users_is_refused_before_any_work(tmp_path: Path, capsys):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(SystemExit) as caught:
        run(main, ["recipe=digits", f"out={precious}", f"cache={tmp_path / 'cache'}"])
    assert caught.value.code == 2
    assert "remedy: give a folder that is empty" in capsys.readouterr().err
    assert [f.name for f in tmp_path.rglob("*")] == ["precious", "thesis.txt"]


def test_a_store_is_replaced_by_a_store(tmp_path: Path):
    arguments = ["recipe=digits", f"out={tmp_path / 'out'}", f"cache={tmp_path / 'cache'}"]
    main(arguments)
    main([*arguments, "data.val_share=0.2"])
    assert sum(LatentStore.given(tmp_path / "out").counts) < 1050
    assert sorted(f.name for f in tmp_path.iterdir()) == ["cache", "out"]
