import json
import subprocess
import sys
from pathlib import Path

import pytest

from ddoq import theory
from ddoq.errors import DdoqError, UsageError
from ddoq.theory import checks, command
from ddoq.theory.finding import Check, Finding


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("theory")
    theory.main([f"out={folder}", "seed=3", "quick=true"])
    return folder


def test_it_writes_the_numbers_and_a_plot_of_each_law(folder: Path):
    names = {"theory.json", "zador.png", "push-forward.png", "expected_gradients.png"}
    assert {f.name for f in folder.iterdir()} == names
    assert all(f.read_bytes().startswith(b"\x89PNG") for f in folder.glob("*.png"))


def test_the_numbers_say_that_all_holds(folder: Path):
    content = json.loads((folder / "theory.json").read_text())
    assert (content["seed"], content["quick"], content["holds"]) == (3, True, True)
    assert all(c["holds"] for f in content["findings"] for c in f["checks"])
    zador = next(f for f in content["findings"] if f["name"] == "zador")
    slopes = [curve["slope"] for curve in zador["curves"]]
    assert slopes == pytest.approx([-1, -1 / 2, -1 / 4, -1 / 8], rel=0.2)


def test_what_does_not_hold_is_named_with_exit_code_1(tmp_path: Path, monkeypatch, capsys):
    wrong = Finding("law", (Check("slope", "=", -1.0, -0.5, 0.1),))
    monkeypatch.setattr(checks, "CHECKS", (lambda scale, seed: wrong,))
    with pytest.raises(DdoqError, match=r"law, slope: -0\.5, not = -1 ± 0\.1") as caught:
        theory.main([f"out={tmp_path}"])
    assert caught.value.exit_code == 1
    assert "NO" in capsys.readouterr().out
    assert not json.loads((tmp_path / "theory.json").read_text())["holds"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("sed=1", "did you mean 'seed'"),
        ("quick=yes", "true or false"),
        ("seed=1.5", "whole number"),
        ("quick", "not key=value"),
        ("out=", "not key=value"),
    ],
)
def test_a_wrong_argument_is_refused(argument: str, message: str):
    with pytest.raises(UsageError, match=message):
        command.read([argument])


_LIGHT = """
import sys
from ddoq.errors import UsageError
from ddoq.theory import main
try:
    main(["sed=1"])
except UsageError:
    print(*sorted({"torch", "ot", "matplotlib", "rich"} & set(sys.modules)))
"""


def test_a_wrong_argument_costs_no_heavy_import(environment):
    done = subprocess.run([sys.executable, "-c", _LIGHT], env=environment, capture_output=True)
    assert done.stdout.strip() == b"", done.stderr


@pytest.mark.parametrize("start", [["-m", "ddoq.theory"], ["-m", "ddoq", "theory"]])
def test_both_ways_to_call_it_end_with_2_on_a_wrong_argument(environment, start: list[str]):
    done = subprocess.run(
        [sys.executable, "-W", "error", *start, "sed=1"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no key 'sed' (did you mean 'seed'?)")
