"""Which rows stand in a table, and what are they called?"""

import math

import pytest

from ddoq import recipe
from ddoq.errors import UsageError
from ddoq.evaluation.grid import draw, entries, quoted, student_name
from ddoq.evaluation.protocols import PRESETS
from ddoq.recipe import Recipe
from ddoq.run import Run


def digits(*overrides: str) -> Recipe:
    return recipe.read(["recipe=digits", *overrides]).recipe


def test_the_method_comes_first_and_its_baselines_after_it() -> None:
    rows = [tuple(e.labels().values()) for e in entries(digits())]
    assert rows == [
        ("ddoq", "dit", "root"),
        ("ddoq", "plain", "root"),
        ("ddoq", "nearest", "root"),
        ("ddoq", "dit", "uniform"),
        ("random", "-", "-"),
        ("full", "-", "-"),
    ]


def test_the_methods_own_decoder_is_not_listed_twice() -> None:
    names = [e.decoder_name for e in entries(digits("decoder=plain"))]
    assert names == ["plain", "nearest", "plain", "-", "-"]


def test_decoders_of_one_name_are_told_apart_by_their_settings() -> None:
    weak = "evaluation.decoders=[{name: dit, strength: 0.05, steps: 20, guidance: 1.5, block: 10}]"
    names = [e.decoder_name for e in entries(digits(weak))[:2]]
    assert names == ["dit(strength=0.15)", "dit(strength=0.05)"]


def test_a_method_without_decoder_and_weighting_is_one_row() -> None:
    rows = [tuple(e.labels().values()) for e in entries(digits("distiller=random"))]
    assert rows == [("random", "-", "-"), ("full", "-", "-")]


def test_uniform_weights_are_no_baseline_of_themselves() -> None:
    weights = [e.weighting["name"] for e in entries(digits("weighting=uniform"))]
    assert weights == ["uniform"] * 3 + ["-"] * 2


def test_an_unknown_baseline_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no 'herding'"):
        entries(digits("evaluation.baselines=[herding]"))


def test_random_images_are_as_many_as_the_methods_and_drawn_anew_for_each_seed() -> None:
    wanted = digits("distiller.images_per_class=3")
    run = Run(wanted)
    [row] = [e for e in entries(wanted) if e.distiller["name"] == "random"]
    first, second = draw(run, row, 0), draw(run, row, 1)
    assert first.labels.bincount().tolist() == [3] * 10
    assert first.columns["source"] != second.columns["source"]
    assert run.images.train.labels[first.columns["source"]].equal(first.labels)


def test_one_set_serves_all_seeds_if_it_is_not_redrawn_but_random_images_never_do() -> None:
    wanted = digits("evaluation.redraw=false", "distiller.images_per_class=3")
    run = Run(wanted)
    method, *_, random, _ = entries(wanted)
    assert draw(run, method, 0).fingerprint == draw(run, method, 1).fingerprint
    assert draw(run, random, 0).fingerprint != draw(run, random, 1).fingerprint


def test_students_of_one_name_are_told_apart_by_their_settings() -> None:
    wanted = digits("students=[{name: convnet, depth: 1}, {name: convnet, depth: 2}]")
    names = [student_name(wanted, b) for b in wanted.students]
    assert names == ["convnet(depth=1)", "convnet(depth=2)"]


def test_a_published_number_is_marked_as_quoted() -> None:
    number = "{distiller: full, student: timm/resnet18, top1: 0.698}"
    [row] = quoted(digits(f"evaluation.quoted=[{number}]"), PRESETS["small"])
    assert (row.note, row.top1) == ("quoted", 0.698)
    assert math.isnan(row.loss)


def test_a_quoted_number_without_a_student_is_refused() -> None:
    with pytest.raises(UsageError, match=r"evaluation\.quoted"):
        digits("evaluation.quoted=[{distiller: full, top1: 0.7}]")


def test_a_number_quoted_for_another_protocol_is_left_out() -> None:
    number = "{distiller: full, student: convnet, top1: 0.7, protocol: fkd}"
    wanted = digits(f"evaluation.quoted=[{number}]")
    assert quoted(wanted, PRESETS["small"]) == []
    assert len(quoted(wanted, PRESETS["fkd"])) == 1
