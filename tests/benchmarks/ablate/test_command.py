import csv
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

pytest.importorskip("benchmarks", reason="benchmarks are not in the sdist")

from benchmarks.ablate import sweep
from benchmarks.ablate.command import main
from benchmarks.ablate.invocation import read
from ddoq import keyed
from ddoq.errors import IntegrityError, UsageError


@pytest.fixture
def classes() -> list[torch.Tensor]:
    scales = torch.arange(1.0, 7.0).view(6, 1, 1)
    sizes = (60, 48)
    return [scales * keyed.normal(c, torch.arange(n), (6, 1, 1)) for c, n in enumerate(sizes)]


@pytest.fixture
def arguments(classes, make_store, tmp_path: Path) -> list[str]:
    store = make_store(classes).folder
    return [f"latents={store}", "points=1,4", "solvers=d4m,lloyd", f"out={tmp_path / 'out'}"]


def rows(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "ablation.csv").read_text().splitlines()))


def test_it_writes_rows_means_and_tables(arguments: list[str], tmp_path: Path, capsys):
    main([*arguments, "seeds=2"])
    written = rows(tmp_path / "out")
    assert len(written) == 2 * 2 * 2 * 2 * 3 * 3
    content = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert len(content["means"]) == 2 * 2 * 3 * 3
    own = [r for r in written if (r["num_points"], r["solver"]) == ("4", "lloyd")]
    values = [
        float(r["w2_held_out"]) for r in own if (r["shrinkage"], r["weighting"]) == ("mean", "root")
    ]
    key = {"num_points": 4, "solver": "lloyd", "shrinkage": "mean", "weighting": "root"}
    mean = next(m["w2_held_out"] for m in content["means"] if key.items() <= m.items())
    assert mean["value"] == pytest.approx(sum(values) / 4)
    assert mean["spread"] > 0
    page = (tmp_path / "out" / "ablation.md").read_text()
    assert page.count("| lloyd | directions |") == 2
    assert all(sentence in page for sentence in content["decompositions"])
    assert "K = 4, points first" in capsys.readouterr().out


def test_a_second_call_measures_only_what_is_missing(arguments, tmp_path: Path, monkeypatch):
    main(arguments)
    before = rows(tmp_path / "out")
    part = next((tmp_path / "out" / "parts").glob("seed0-class1-lloyd-4-*.json"))
    part.unlink()
    measured, measure = [], sweep.measure
    monkeypatch.setattr(sweep, "measure", lambda *a: (measured.append(a[0]), measure(*a))[1])
    main(arguments)
    assert [(c.label, c.solver, c.num_points) for c in measured] == [(1, "lloyd", 4)]
    timed = {"seconds", "choice_seconds", "peak_memory_mb"}
    after = rows(tmp_path / "out")
    assert [{k: r[k] for k in r if k not in timed} for r in after] == [
        {k: r[k] for k in r if k not in timed} for r in before
    ]


def test_other_latents_are_measured_anew(arguments, classes, tmp_path: Path):
    main(arguments)
    first = rows(tmp_path / "out")
    file = tmp_path / "latents.safetensors"
    save_file({"0": classes[0] + 1, "1": classes[1]}, file)
    main([f"latents={file}", *arguments[1:]])
    numbers = [[r["w2_held_out"] for r in table] for table in (first, rows(tmp_path / "out"))]
    half = len(first) // 2
    assert numbers[0][:half] != numbers[1][:half]
    assert numbers[0][half:] == numbers[1][half:]


def test_latents_that_are_not_finite_are_refused(arguments, classes, tmp_path: Path):
    classes[1][3, 2] = float("nan")
    file = tmp_path / "latents.safetensors"
    save_file({"good": classes[0], "bad": classes[1]}, file)
    with pytest.raises(IntegrityError, match="class bad"):
        main([f"latents={file}", *arguments[1:]])


def test_more_points_than_a_fold_has_latents_are_refused(arguments: list[str]):
    # 31 of class 1's 48 are fitted, and 23 of those in every fold.
    with pytest.raises(UsageError, match="use at most 22 points"):
        main([*arguments, "points=1,23"])
    main([*arguments, "points=22", "solvers=faiss"])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("points=0", "from 1 up"),
        ("solvers=loyd", "did you mean 'lloyd'"),
        ("held_out=1", "between 0 and 1"),
        ("held_out=some", "is a number"),
        ("latents=nowhere", "neither a store"),
        ("threads=0", "from 1 up"),
        ("classes=-1", "from 0 up"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, argument: str, message: str):
    with pytest.raises(UsageError, match=message):
        read([*arguments, argument])
