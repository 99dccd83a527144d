"""What cannot run ends before any work, with the exit code that says whose it is to change."""

import os
import signal
from pathlib import Path

import pytest
import torch

from ddoq import command, fit
from ddoq.errors import ResourceError
from ddoq.run.refusals import refuse_places

WITHOUT_A_CARD = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function that runs `fit` on the digits: (exit code, stderr)."""
    monkeypatch.chdir(tmp_path)

    def ended(*arguments: str) -> tuple[int, str]:
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as caught:
            command.run(fit.main, ["recipe=digits", "cache=cache", *arguments])
        signal.signal(signal.SIGTERM, before)
        return caught.value.code, capsys.readouterr().err

    return ended


@pytest.mark.parametrize(
    ("argument", "code", "words"),
    [
        ("trainer.strategy=foo", 2, "invalid strategy name"),
        ("trainer.logger=foo", 2, "use true (Lightning's own) or false"),
        ("trainer.profiler=foo", 2, "['simple', 'advanced', 'pytorch', 'xla']"),
        ("trainer.benchmark=3", 2, "expects a bool"),
        ("trainer.num_nodes=0", 2, "must be a positive integer"),
        ("trainer={accelerator: cpu, strategy: foo, devices: 2}", 2, "invalid strategy name"),
        pytest.param("trainer.accelerator=gpu", 4, "leave out", marks=WITHOUT_A_CARD),
        pytest.param(
            "trainer={accelerator: cuda, devices: 2}", 4, "not available", marks=WITHOUT_A_CARD
        ),
        ("evaluation.images_per_class=[1, 200, 500]", 2, "no class has more than 115 images"),
        ("cache=file", 2, "file is a file"),
        ("out=file", 2, "file is a file"),
        ("out=file/within", 2, "file is a file"),
        ("cache=/proc/ddoq", 4, "give cache a folder you may write to"),
        ("out=/proc/ddoq", 4, "give out a folder you may write to"),
        (f"out={'n' * 300}", 4, "give out a folder you may write to"),
    ],
)
def test_what_cannot_run_is_refused_before_any_work(
    ended, tmp_path: Path, argument: str, code: int, words: str
):
    (tmp_path / "file").write_text("precious")
    found, said = ended(argument)
    assert found == code, said
    assert words in said
    assert "bug of ddoq" not in said
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_exit_code_4(tmp_path: Path):
    tmp_path.chmod(0o555)
    with pytest.raises(ResourceError, match="Permission denied"):
        refuse_places(cache=str(tmp_path / "new"))


def test_a_folder_that_is_yet_to_be_made_is_fine_and_is_not_made(tmp_path: Path):
    refuse_places(cache=str(tmp_path / "a" / "b"), out=None)
    assert list(tmp_path.iterdir()) == []
