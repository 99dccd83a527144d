"""What does `python -m ddoq.export` accept, refuse and print?"""

import subprocess
import sys
from pathlib import Path

import pytest

from ddoq.errors import DataError, UsageError
from ddoq.export.command import main, read


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no run was given"),
        (["to=torch", "out=x"], "no run was given"),
        (["run", "to=parket", "out=x"], "did you mean 'parquet'"),
        (["run", "to=parquet"], "out= is missing"),
        (["run", "out=x"], "to= is missing\\n.*one of imagefolder, .*, hub"),
        (["run", "to=zip", "out=x"], "to=zip is none of imagefolder, "),
        (["run", "to=hub"], "without a repository"),
        (["run", "to=hub", "repo=a/b", "out=x"], "writes no folder"),
        (["run", "to=torch", "out=x", "repo=a/b"], "repo= is for to=hub"),
        (["run", "to=hub", "repo=a/b", "test_pictures=x"], "publishes no test pictures"),
        (["run", "to=torch", "out=x", "test_pictures=x/y"], "lie within each other"),
        (["run", "to=torch", "out=x", "privat=true"], "did you mean 'private'"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(words: list[str], said: str):
    with pytest.raises(UsageError, match=said):
        read(words)


def test_a_folder_is_private_unless_it_is_said_otherwise():
    assert read(["run", "to=hub", "repo=a/b"]).private
    assert read(["a=b", "to=torch", "out=x"]).run == Path("a=b")


def test_a_foreign_folder_is_not_replaced(color_set, tmp_path):
    color_set.save(tmp_path / "set")
    words = [str(tmp_path / "set"), "to=torch", f"out={tmp_path / 'out'}"]
    main(words)
    main([*words[:1], "to=parquet", words[2]])
    assert not (tmp_path / "out" / "data.pt").exists()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(UsageError, match=r"mine\.txt, which ddoq did not publish"):
        main(words)


def test_a_dry_run_lists_files_and_writes_none(color_set, tmp_path, capsys):
    color_set.save(tmp_path / "set")
    main([str(tmp_path / "set"), "to=torch", f"out={tmp_path / 'out'}", "dry_run=true"])
    lines = capsys.readouterr().out.splitlines()
    assert {"data.pt", "README.md", "train.py"} <= {line.split()[-1] for line in lines}
    assert not (tmp_path / "out").exists()


def test_what_is_no_set_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        main([str(tmp_path / "nothing"), "to=torch", "out=x"])


def test_a_folder_of_runs_is_refused_with_those_that_have_a_set(tmp_path):
    for number in range(7):
        (tmp_path / "runs" / f"{number}" / "synthetic").mkdir(parents=True)
        (tmp_path / "runs" / f"{number}" / "synthetic" / "set.json").touch()
    with pytest.raises(DataError, match=r"give a run below it: .*runs/\d, .*, and 2 more"):
        main([str(tmp_path), "to=torch", "out=x"])


@pytest.mark.parametrize("start", ["-m ddoq.export", "-m ddoq export"])
def test_the_command_ends_with_the_code_of_its_error(environment, start: str):
    done = subprocess.run(
        [sys.executable, *start.split(), "nothing", "to=torch", "out=x"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    assert "remedy: give a run's folder" in done.stderr
