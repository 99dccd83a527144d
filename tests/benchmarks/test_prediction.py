"""Is less distance with more accuracy a correlation of 1, and each table one of its own?"""

import pytest

from benchmarks.prediction.__main__ import correlations
from ddoq.evaluation.score import Result, Row

TOPS = {"a": 0.2, "b": 0.3, "c": 0.4, "d": 0.5}


def run(distiller: str, top1: float, **changes: object) -> Result:
    fields = {
        "distiller": distiller,
        "images_per_class": 10,
        "student": "x",
        "protocol": "small",
        "labels": "soft",
        "seed": 0,
        "set_seed": 0,
        "top1": top1,
        **{"top5": 1.0, "loss": 0.5, "seconds": 2.0, "peak_memory_mb": 1.0},
    }
    return Result(**{**fields, **changes})


def rho(results: list[Result], far: dict[str, float]) -> dict[str, float]:
    distances = {Row(name, 10): {"images": [d]} for name, d in far.items()}
    return {f["protocol"]: f["rho"] for f in correlations(results, distances, "images")}


def test_nearer_and_better_is_one():
    runs = [run(name, top1) for name, top1 in TOPS.items()]
    assert rho(runs, {"a": 9.0, "b": 7.0, "c": 3.0, "d": 1.0}) == {"small": pytest.approx(1)}
    assert rho(runs, {"a": 1.0, "b": 3.0, "c": 7.0, "d": 9.0}) == {"small": pytest.approx(-1)}


def test_protocols_are_kept_apart_and_quoted_numbers_left_out():
    runs = [run(name, top1) for name, top1 in TOPS.items()]
    runs += [run(name, 1 - top1, protocol="small_hard") for name, top1 in TOPS.items()]
    runs += [run(name, 0.0, note="quoted") for name in TOPS]
    found = rho(runs, {"a": 9.0, "b": 7.0, "c": 3.0, "d": 1.0})
    assert found == {"small": pytest.approx(1), "small_hard": pytest.approx(-1)}


def test_too_few_rows_have_no_correlation():
    assert rho([run("a", 0.1), run("b", 0.2)], {"a": 1.0, "b": 2.0}) == {}
