"""Are the field's metrics found wherever a table holds what they need?"""

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from ddoq.evaluation.metrics import augmentation_robust_score, label_robust_score
from ddoq.evaluation.results import Results
from ddoq.evaluation.score import Result
from ddoq.protocols.presets import preset
from ddoq.protocols.protocol import Protocol
from ddoq.report.measures import Finding, findings, shown


def result(distiller: str, protocol: str, seed: int, top1: float, **changes: object) -> Result:
    """One training; protocols that end in `hard` have hard labels."""
    row = {
        "distiller": distiller,
        "images_per_class": 0 if distiller == "full" else 10,
        "student": "convnet",
        "protocol": protocol,
        "seed": seed,
        "set_seed": seed,
        "top1": top1,
        "labels": "hard" if protocol.endswith("hard") else "soft",
        **{"top5": 1.0, "loss": 0.5, "seconds": 1.0, "peak_memory_mb": 1.0},
    }
    return Result(**{**row, **changes})


def table() -> list[Result]:
    """Two seeds of the method and of random images under two protocols, and the full data."""
    runs = [
        ("ddoq", "soft", (0.8, 0.7)),
        ("random", "soft", (0.6, 0.6)),
        ("ddoq", "hard", (0.5, 0.6)),
        ("random", "hard", (0.4, 0.4)),
        ("full", "hard", (0.9, 0.9)),
    ]
    return [result(d, p, seed, a) for d, p, of in runs for seed, a in enumerate(of)]


def found_in(runs: list[Result], protocols: Sequence[Protocol] = ()) -> list[Finding]:
    return findings(Results(runs), protocols)


def values(found: list[Finding]) -> dict[tuple[str, str], tuple[float, ...]]:
    return {(f.metric, f.protocol): f.value.values for f in found}


def test_gains_and_losses_are_paired_by_seed():
    found = values(found_in(table()))
    assert found["IOR", "soft"] == pytest.approx((0.2, 0.1))
    assert found["IOR", "hard"] == pytest.approx((0.1, 0.2))
    assert found["HLR", "hard"] == pytest.approx((0.4, 0.3))
    assert ("HLR", "soft") not in found


def test_the_robust_score_joins_the_gain_of_one_protocol_and_the_loss_of_another():
    score = values(found_in(table()))["LRS", "soft and hard"]
    assert score == pytest.approx((label_robust_score(0.2, 0.4), label_robust_score(0.1, 0.3)))


def test_without_its_references_a_row_has_no_metric():
    assert found_in([r for r in table() if r.distiller == "ddoq"]) == []


def test_random_images_of_another_number_are_no_reference():
    other = [r for r in table() if r.distiller == "ddoq"]
    other += [result("random", "soft", s, 0.1, images_per_class=20) for s in (0, 1)]
    assert found_in(other) == []


def test_quoted_numbers_are_left_out():
    quoted = [result("random", "soft", s, 0.1, note="quoted") for s in (0, 1)]
    assert found_in([*(r for r in table() if r.distiller == "ddoq"), *quoted]) == []


def test_five_architectures_are_ranked_and_four_are_not():
    names = [f"net{i}" for i in range(5)]
    of_set, of_all = (0.1, 0.2, 0.3, 0.4, 0.5), (0.5, 0.6, 0.7, 0.9, 0.8)
    runs = [result("ddoq", "soft", 0, a, student=n) for n, a in zip(names, of_set, strict=True)]
    runs += [result("full", "soft", 0, a, student=n) for n, a in zip(names, of_all, strict=True)]
    [found] = [f for f in found_in(runs) if f.metric != "gap"]
    assert (found.metric, found.value.n) == ("Kendall tau", 5)
    assert found.value.tau == pytest.approx(0.8)
    of_four = found_in([r for r in runs if r.student != "net0"])
    assert {f.metric for f in of_four} == {"gap"}


def test_a_finding_is_plain_data_too():
    [found] = [f for f in found_in(table()) if f.metric == "HLR"]
    plain = found.plain()
    assert (plain["metric"], plain["distiller"], plain["n"]) == ("HLR", "ddoq", 2)
    assert plain["mean"] == pytest.approx(0.35)
    assert found.text == "+0.350 ± 0.635"


def test_the_gap_is_that_of_the_first_student_and_stands_beside_random_images_own():
    of = {"ddoq": {"a": 0.9, "b": 0.5, "c": 0.3}, "random": {"a": 0.6, "b": 0.5, "c": 0.5}}
    runs = [
        result(d, "soft", seed, top1 + 0.01 * seed, student=s)
        for d, students in of.items()
        for s, top1 in students.items()
        for seed in (0, 1)
    ]
    found = values([f for f in found_in(runs) if f.metric.startswith("gap")])
    assert found["gap", "soft"] == pytest.approx((0.5, 0.5))
    assert found["gap, less random's", "soft"] == pytest.approx((0.4, 0.4))


def test_a_gap_needs_all_students_of_a_seed():
    runs = [result("ddoq", "soft", 0, 0.5, student=s) for s in "ab"]
    runs += [result("random", "soft", 0, 0.5, student=s) for s in "abc"]
    assert [f for f in found_in(runs) if f.metric == "gap"] == []


def test_gains_with_and_without_augmentation_are_joined():
    augmented = preset("small", flip=True)
    plain = preset("small", crop=None)
    other = preset("small", crop=None, lr=0.1)
    tops = [(augmented, 0.7, 0.6), (plain, 0.8, 0.5), (other, 0.9, 0.1)]
    runs = [
        result(distiller, protocol.id, seed, top1 + 0.01 * seed)
        for protocol, *both in tops
        for distiller, top1 in zip(("ddoq", "random"), both, strict=True)
        for seed in (0, 1)
    ]
    found = [f for f in found_in(runs, [augmented, plain, other]) if f.metric == "ARS"]
    score = augmentation_robust_score(0.1, 0.3)
    assert [(f.protocol, f.value.values) for f in found] == [
        (f"{augmented.id} and {plain.id}", pytest.approx((score, score)))
    ]


def test_of_two_teachers_the_first_ones_metrics_are_told():
    runs = [r if r.labels == "hard" else replace(r, teacher="A") for r in table()]
    others = [replace(r, teacher="B", top1=0.1) for r in runs if r.labels == "soft"]
    assert found_in([*runs, *others]) == found_in(runs)


def test_the_robust_score_is_over_the_architectures_that_all_data_were_trained_on():
    others = [replace(r, student="vit", top1=0.99) for r in table() if r.distiller != "full"]
    score = values(found_in([*table(), *others]))["LRS", "soft and hard"]
    assert score == values(found_in(table()))["LRS", "soft and hard"]


def printed(width: int) -> str:
    stream = io.StringIO()
    found = [f for f in findings(Results(table())) if f.metric in ("HLR", "LRS")]
    Console(file=stream, width=width).print(shown(found))
    return " ".join(stream.getvalue().split())


def test_each_metric_of_the_terminal_is_said_in_words_below_its_table() -> None:
    told = printed(100)
    assert "HLR: the accuracy lost, under hard labels, by training on the set instead of" in told
    assert told.count("LRS: how robust") == 1


def test_a_narrow_terminal_is_told_where_the_metrics_stand() -> None:
    assert printed(40) == "HLR, LRS of every row: in the report"
