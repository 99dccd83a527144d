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
    names = [e.decoder["name"] for e in entries(digits("decoder=plain")) if e.is_method]
    assert names == ["plain", "nearest", "plain"]


def test_uniform_weights_are_no_baseline_of_themselves() -> None:
    weights = [e.weighting["name"] for e in entries(digits("weighting=uniform")) if e.is_method]
    assert weights == ["uniform"] * 3


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


def test_one_set_is_drawn_for_all_seeds_if_it_is_not_redrawn() -> None:
    wanted = digits("evaluation.redraw=false", "distiller.images_per_class=3")
    run = Run(wanted)
    [row] = [e for e in entries(wanted) if e.distiller["name"] == "random"]
    assert draw(run, row, 0).fingerprint == draw(run, row, 1).fingerprint


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
        quoted(digits("evaluation.quoted=[{distiller: full, top1: 0.7}]"), PRESETS["small"])
