"""Are the right sets drawn, and published numbers marked?"""

import math

import pytest

from ddoq import recipe
from ddoq.errors import UsageError
from ddoq.evaluation.grid import draw, quoted, size_of, tables
from ddoq.evaluation.rows import entries
from ddoq.protocols.presets import PRESETS
from ddoq.recipe import Recipe
from ddoq.run import Run


def digits(*overrides: str) -> Recipe:
    return recipe.read(["recipe=digits", *overrides]).recipe


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


def test_a_teacher_that_is_named_twice_has_one_table() -> None:
    own = "{name: trained, source: checkpoints/digits/teacher}"
    other = "{name: trained, source: pretrain}"
    run = Run(digits(f"evaluation.teachers=[{own}, {other}, {other}]"))
    found = [t.teacher and t.teacher["source"] for t in tables(run)]
    assert found == [None, "pretrain"]


def test_a_row_says_no_more_images_per_class_than_there_are() -> None:
    wanted = digits("distiller=random", "distiller.images_per_class=500", "decoder=plain")
    run = Run(wanted)
    [row, _] = entries(wanted)
    labels = run.images.train.labels
    largest = int(labels.bincount().max())
    whole = draw(run, row, 0)
    assert size_of(row, whole, labels) == largest < 500
    few = draw(run, entries(digits("distiller=random"))[0], 0)
    assert size_of(row, few, labels) == largest


def test_where_only_some_classes_are_smaller_a_row_says_what_was_asked_for() -> None:
    wanted = digits("distiller=random", "distiller.images_per_class=112", "decoder=plain")
    run = Run(wanted)
    labels = run.images.train.labels
    assert int(labels.bincount().min()) < 112
    assert size_of(entries(wanted)[0], draw(run, entries(wanted)[0], 0), labels) == 112
