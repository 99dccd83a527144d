"""Does what `ddoq new` writes run as it is, and is nothing written over?"""

import shlex
from pathlib import Path

import pytest

from ddoq import fit, new
from ddoq.errors import UsageError

QUICK = "protocol={name: small_hard, steps: 5}"
SHORT = ["evaluation.seeds=1", "evaluation.baselines=[]", "evaluation.decoders=[]", "out=run"]


@pytest.fixture
def begun(tmp_path: Path, monkeypatch, capsys):
    """Return what writes a skeleton in an empty folder; it returns the command that is printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def write(kind: str, name: str) -> list[str]:
        new.main([kind, name])
        printed = capsys.readouterr().out.splitlines()[-1]
        return shlex.split(printed)[3:]

    return write


@pytest.mark.parametrize(
    ("kind", "name", "changes"),
    [
        ("student", "WideNet", ["decoder=plain", QUICK]),
        ("distiller", "Filters", ["distiller.steps=3", QUICK]),
        ("source", "Stripes", [QUICK]),
        ("guide", "Pull", ["decoder.start=noise", "distiller.folds=0", QUICK]),
        ("recipe", "mine", ["distiller.folds=0", "student=convnet", QUICK]),
    ],
)
def test_a_skeleton_runs_as_it_is(begun, kind: str, name: str, changes: list[str]):
    fit.main([*begun(kind, name), *changes, *SHORT, "cache=cache"])
    assert Path("run/report.html").exists()


def test_a_file_is_not_replaced(begun):
    begun("student", "DeepNet")
    with pytest.raises(UsageError, match="is there already"):
        new.main(["student", "DeepNet"])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "a kind and a name"),
        (["students", "X"], "did you mean 'student'"),
        (["student", "my-net"], "cannot be a class's name"),
        (["distiller", "Random"], "stand in for Python's own, or an installed, random"),
        (["student", "Torch"], "stand in for"),
        (["student", "None"], "a word of Python's own"),
    ],
)
def test_what_cannot_be_begun_is_refused(argv: list[str], message: str):
    with pytest.raises(UsageError, match=message):
        new.main(argv)
