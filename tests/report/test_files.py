import csv
import json
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest

from ddoq.errors import DataError
from ddoq.evaluation.results import Results
from ddoq.evaluation.score import Result, Score
from ddoq.report.files import read_results, summary, write_results, write_summary

RUN = Result(
    distiller="ddoq",
    images_per_class=10,
    weighting="root",
    decoder="plain",
    teacher="convnet",
    student="timm/test_vit",
    protocol="small+lr=0.1",
    seed=0,
    top1=0.1 + 0.2,
    top5=1.0,
    loss=-1e-9,
    seconds=1.5,
    peak_memory_mb=640.25,
    labels="soft",
    set_seed=0,
    reported="best",
    last_top1=0.25,
    best_top1=0.1 + 0.2,
    ece=0.125,
    label_bytes=40.0,
    set_bytes=5e6,
    set_seconds=12.5,
    val_top1=0.75,
    of_class=(0.1 + 0.2, 1.0),
)
RUNS = [
    RUN,
    replace(RUN, seed=1, top1=0.5),
    replace(RUN, distiller="random", weighting="-", decoder="-", top1=0.2),
    replace(RUN, distiller="random", weighting="-", decoder="-", seed=1, top1=0.1),
]


def cells(folder: Path) -> list[list[str]]:
    with (folder / "results.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_results_come_back_as_they_were(tmp_path: Path):
    odd = replace(RUN, student='a,"b"\nc', note="'=1", distiller="é", decoder="''-")
    write_results(tmp_path, [*RUNS, odd])
    assert list(read_results(tmp_path)) == [*RUNS, odd]


def test_the_columns_are_those_of_the_contract(tmp_path: Path):
    write_results(tmp_path, RUNS)
    promised = (
        "distiller images_per_class weighting decoder teacher student protocol seed top1 top5"
    )
    assert cells(tmp_path)[0] == [
        *(*promised.split(), "loss", "seconds", "peak_memory_mb", "labels", "set_seed", "note"),
        *("reported", "uses_hints", "last_top1", "best_top1", "val_top1", "ece", "label_bytes"),
        *("set_bytes", "set_seconds", "of_class", "read"),
    ]
    assert (tmp_path / "results.csv").read_bytes().count(b"\r\n") == 5


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@SUM(A1)", "\t=1"])
def test_a_formula_is_disarmed(tmp_path: Path, name: str):
    write_results(tmp_path, [replace(RUN, student=name)])
    assert cells(tmp_path)[1][5] == f"'{name}"
    assert read_results(tmp_path)[0].student == name


def test_negative_numbers_and_absent_values_stay_plain(tmp_path: Path):
    write_results(tmp_path, RUNS[2:])
    assert cells(tmp_path)[1][2:4] == ["-", "-"]
    assert cells(tmp_path)[1][10] == "-1e-09"


def test_a_table_of_something_else_is_refused(tmp_path: Path):
    (tmp_path / "results.csv").write_text("distiller,seed\nddoq,0\n")
    with pytest.raises(DataError, match="line 2 is no result"):
        read_results(tmp_path)


def test_a_line_that_ends_early_is_refused(tmp_path: Path):
    write_results(tmp_path, RUNS)
    text = (tmp_path / "results.csv").read_bytes()
    (tmp_path / "results.csv").write_bytes(text[:-30])
    with pytest.raises(DataError, match="line 5"):
        read_results(tmp_path)


def content(runs: list[Result]) -> dict:
    stages = [{"stage": "encode", "cached": True, "seconds": 0.1, "peak_memory_mb": 5.0}]
    certificates = [{"class": "zero", "distortion": 1.5}]
    return summary(
        Results(runs),
        stages=stages,
        certificates=certificates,
        recipe_name="digits",
        set_info={"images": 100},
    )


def test_the_summary_gives_every_group_with_its_interval(tmp_path: Path):
    write_summary(tmp_path, content(RUNS))
    group, other = json.loads((tmp_path / "summary.json").read_text())["groups"]
    score = Score((0.1 + 0.2, 0.5))
    assert (group["distiller"], group["student"], group["n"]) == ("ddoq", "timm/test_vit", 2)
    assert (group["mean"], tuple(group["interval"])) == (score.mean, score.interval)
    assert other["values"] == [0.2, 0.1]


def test_the_summary_gives_the_comparison_with_random():
    (found,) = content(RUNS)["comparisons"]
    assert (found["a"]["distiller"], found["b"]["distiller"]) == ("ddoq", "random")
    assert found["difference"]["mean"] == pytest.approx(0.25)
    assert (found["p"], found["verdict"]) == (found["p_holm"], "undecided")


def test_protocols_are_summed_up_apart():
    found = content([*RUNS, *(replace(r, protocol="fkd", top1=0.9) for r in RUNS)])
    means = {(m["protocol"], m["distiller"]): m["mean"] for m in found["means"]}
    assert means[("small+lr=0.1", "ddoq")] == pytest.approx(0.4)
    assert means[("fkd", "ddoq")] == pytest.approx(0.9)


def test_the_summary_keeps_costs_and_certificates():
    found = content(RUNS)
    assert (found["recipe"], found["set"]) == ("digits", {"images": 100})
    assert found["stages"][0]["cached"] is True
    assert found["certificates"] == [{"class": "zero", "distortion": 1.5}]


def test_what_was_not_measured_comes_back_equal(tmp_path: Path):
    bare = replace(RUN, val_top1=nan, ece=nan)
    write_results(tmp_path, [bare])
    assert list(read_results(tmp_path)) == [bare]
