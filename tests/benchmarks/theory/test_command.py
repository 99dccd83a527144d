import json
from pathlib import Path

import pytest

pytest.importorskip("benchmarks", reason="benchmarks are not in the sdist")

from benchmarks.theory import checks
from benchmarks.theory.command import main
from benchmarks.theory.finding import Check, Finding
from ddoq.errors import DdoqError


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("theory")
    main([f"out={folder}", "seed=3", "quick=true"])
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
        main([f"out={tmp_path}"])
    assert caught.value.exit_code == 1
    assert "NO" in capsys.readouterr().out
    assert not json.loads((tmp_path / "theory.json").read_text())["holds"]
