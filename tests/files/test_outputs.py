"""Is what a user named replaced only where ddoq itself published it?"""

from pathlib import Path

import pytest

from ddoq.errors import UsageError
from ddoq.files.artifacts import damage
from ddoq.files.outputs import publish, refuse_foreign_run


def note(text: str):
    return lambda work: (work / "note.txt").write_text(text)


def test_what_was_published_is_replaced_by_its_own_kind(tmp_path: Path):
    for text in ("old", "new"):
        publish(tmp_path / "final", "notes", note(text))
    assert (tmp_path / "final" / "note.txt").read_text() == "new"
    assert [f.name for f in tmp_path.iterdir()] == ["final"]


def test_an_empty_folder_is_filled(tmp_path: Path):
    (tmp_path / "final").mkdir()
    publish(tmp_path / "final", "notes", note("new"))
    assert damage(tmp_path / "final") is None


@pytest.mark.parametrize("strange", ["mine.txt", ".hidden", "deep/mine.txt", "an empty folder/"])
def test_a_file_that_was_not_published_is_never_replaced(tmp_path: Path, strange: str):
    publish(tmp_path / "final", "notes", note("old"))
    place = tmp_path / "final" / strange
    place.parent.mkdir(exist_ok=True)
    place.mkdir() if strange.endswith("/") else place.write_text("mine")
    with pytest.raises(UsageError, match=r"which ddoq did not publish.*\n  remedy: give a folder"):
        publish(tmp_path / "final", "notes", note("new"))
    assert place.exists()
    assert (tmp_path / "final" / "note.txt").read_text() == "old"


@pytest.mark.parametrize("manifest", ['{"files": {}, "kind": "songs"}', '{"version": 3}', "[]"])
def test_a_manifest_of_another_kind_is_not_ours(tmp_path: Path, manifest: str):
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(UsageError):
        publish(tmp_path, "notes", note("new"))
    assert (tmp_path / "manifest.json").read_text() == manifest


def test_a_file_is_no_folder_to_publish_to(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is no folder"):
        publish(tmp_path / "file", "notes", note("new"))


def test_a_failed_publication_leaves_no_workspace(tmp_path: Path):
    with pytest.raises(ZeroDivisionError):
        publish(tmp_path / "final", "notes", lambda work: 1 / 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["recipe.yaml", "results.csv", "report.html", "log.jsonl"])
def test_a_runs_files_are_not_written_over_the_users(tmp_path: Path, name: str):
    (tmp_path / name).write_text("mine\n")
    with pytest.raises(UsageError, match=f"{name} is not from a run of ddoq"):
        refuse_foreign_run(tmp_path)


def test_a_folder_of_the_users_is_not_taken_for_a_runs(tmp_path: Path):
    (tmp_path / "cats").mkdir()
    with pytest.raises(UsageError, match="is not its folder"):
        refuse_foreign_run(tmp_path)
    refuse_foreign_run(tmp_path / "cats")
