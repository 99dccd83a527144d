"""`python -m ddoq.report RUN...`"""

from collections.abc import Callable
from pathlib import Path

import pytest

from ddoq.errors import DataError, UsageError
from ddoq.report.command import main

Maker = Callable[..., Path]


def test_one_run_gets_its_page_again(make_run: Maker, capsys: pytest.CaptureFixture[str]):
    folder = make_run()
    main([str(folder)])
    said = capsys.readouterr().out
    assert "beats random real images" in said
    assert said.endswith(f"report: {folder / 'report.html'}\n")
    assert "The answer" in (folder / "report.html").read_text("utf-8")


def test_several_runs_are_shown_beside_each_other(make_run: Maker, tmp_path: Path):
    main([str(make_run("a")), str(make_run("b")), f"out={tmp_path / 'both.html'}"])
    main([str(tmp_path / "a"), str(tmp_path / "b"), f"out={tmp_path / 'both.html'}"])
    text = (tmp_path / "both.html").read_text("utf-8")
    assert "measured alike" in text
    assert not (tmp_path / "a" / "report.html").exists()


def test_a_folder_of_runs_is_refused_with_the_runs_in_it(make_run: Maker, tmp_path: Path):
    runs = [make_run(name) for name in ("one", "two")]
    with pytest.raises(DataError, match="is no finished run") as caught:
        main([str(tmp_path)])
    assert caught.value.remedy.startswith("give a run below it: ")
    assert all(str(run) in caught.value.remedy for run in runs)


def test_a_file_of_somebody_else_is_not_replaced(make_run: Maker, tmp_path: Path):
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    with pytest.raises(UsageError, match=r"mine\.html is no report of ddoq"):
        main([str(make_run()), f"out={tmp_path / 'mine.html'}"])
    assert (tmp_path / "mine.html").read_text() == "<p>mine</p>"


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ([], UsageError, "no run was given"),
        (["{run}", "{run}"], UsageError, "is given twice"),
        (["{run}/.."], DataError, r"it has no results\.csv and no summary\.json"),
        (["{run}", "out={run}"], UsageError, "is a folder"),
    ],
)
def test_what_is_no_run_is_refused(make_run: Maker, arguments, error, words: str):
    folder = make_run()
    with pytest.raises(error, match=words):
        main([a.format(run=folder) for a in arguments])


def test_a_damaged_file_is_named(make_run: Maker):
    folder = make_run()
    (folder / "report.json").write_text("{")
    with pytest.raises(DataError, match=r"report\.json cannot be read"):
        main([str(folder)])
