"""Are the right sets drawn, and published numbers marked?"""

import math
from itertools import pairwise
from pathlib import Path

import pytest

from ddoq import recipe
from ddoq.errors import UsageError
from ddoq.evaluation.grid import Draw, Grid, tables_of
from ddoq.evaluation.quoted import quoted
from ddoq.protocols.presets import PRESETS
from ddoq.recipe import Recipe
from ddoq.run import Run


def digits(*overrides: str) -> Recipe:
    return recipe.read(["recipe=digits", *overrides]).recipe


def test_random_images_are_as_many_as_the_methods_and_drawn_anew_for_each_seed() -> None:
    grid = Grid.of(Run(digits("distiller.images_per_class=3")))
    [row] = [i for i, e in enumerate(grid.rows) if e.distiller["name"] == "random"]
    first, second = (grid.drawn(Draw(row, number)) for number in (0, 1))
    assert first.labels.bincount().tolist() == [3] * 10
    assert first.columns["source"] != second.columns["source"]
    assert grid.run.images.train.labels[first.columns["source"]].equal(first.labels)


def test_one_set_serves_all_seeds_if_it_is_not_redrawn_but_random_images_never_do() -> None:
    few = ["distiller.images_per_class=3", "distiller.folds=0", "decoder=plain"]
    grid = Grid.of(Run(digits("evaluation.redraw=false", *few)))
    random = len(grid.rows) - 2
    prints = {r: [grid.drawn(Draw(r, n)).fingerprint for n in (0, 1)] for r in (0, random)}
    assert prints[0][0] == prints[0][1]
    assert prints[random][0] != prints[random][1]


def test_a_training_is_a_number_and_sets_are_drawn_once_on_the_way_through() -> None:
    few = ["distiller=random", "evaluation.baselines=[herding]"]
    grid = Grid.of(Run(digits("protocols=[small, small_hard]", *few)))
    drawn = [grid.draw_of(job) for job in grid]
    assert sorted(grid) == list(range(len(grid)))
    assert sum(a != b for a, b in pairwise(drawn)) == len(set(drawn)) - 1
    assert [grid[job].protocol.id for job in (0, len(grid) - 1)] == ["small", "small_hard"]


def test_every_row_has_its_first_seed_before_any_has_its_second() -> None:
    several = ["distiller=random", "evaluation.baselines=[herding, random]", "evaluation.seeds=3"]
    grid = Grid.of(Run(digits("evaluation.images_per_class=[1, 2]", *several)))
    one_set = {row for row, entry in enumerate(grid.rows) if not entry.redraw}
    draws = [grid.draw_of(job) for job in grid]
    numbers = [draw.number for draw in draws if draw.row not in one_set]
    assert one_set
    assert numbers == sorted(numbers)
    assert {draw.number for draw in draws[: len(draws) // 2] if draw.row in one_set} == {0, 1, 2}


def test_a_published_number_is_marked_as_quoted() -> None:
    number = "{distiller: full, student: timm/resnet18, top1: 0.698, protocol: small}"
    [row] = quoted(digits(f"evaluation.quoted=[{number}]"), PRESETS["small"])
    assert (row.note, row.top1) == ("quoted", 0.698)
    assert math.isnan(row.loss)


def test_a_quoted_number_without_a_student_is_refused() -> None:
    with pytest.raises(UsageError, match=r"evaluation\.quoted"):
        digits("evaluation.quoted=[{distiller: full, top1: 0.7, protocol: small}]")


def test_a_quoted_number_of_no_protocol_is_refused() -> None:
    with pytest.raises(UsageError, match="the id of the protocol that made it"):
        digits("evaluation.quoted=[{distiller: full, student: convnet, top1: 0.7}]")


def test_a_number_quoted_for_another_protocol_is_left_out() -> None:
    number = "{distiller: full, student: convnet, top1: 0.7, protocol: fkd}"
    wanted = digits(f"evaluation.quoted=[{number}]")
    assert quoted(wanted, PRESETS["small"]) == []
    assert len(quoted(wanted, PRESETS["fkd"])) == 1
    assert quoted(wanted, PRESETS["fkd"].change(epochs=3)) == []


def test_a_teacher_that_is_named_twice_has_one_table() -> None:
    own = "{name: trained, source: checkpoints/digits/teacher}"
    other = "{name: trained, source: pretrain}"
    run = Run(digits(f"evaluation.teachers=[{own}, {other}, {other}]"))
    found = [t.teacher and t.teacher["source"] for t in tables_of(run)]
    assert found == [None, "pretrain"]


def stated(*overrides: str) -> int:
    """Return the images per class that a row of random images states."""
    quick = ["protocol=[{name: small_hard, steps: 1}]", "student={name: convnet, width: 4}"]
    wanted = digits("distiller=random", *quick, "evaluation.baselines=[]", *overrides)
    return Grid.of(Run(wanted)).results()[0].images_per_class


def test_a_row_says_no_more_images_per_class_than_there_are(tmp_path: Path) -> None:
    largest = int(Run(digits()).images.train.labels.bincount().max())
    assert stated("distiller.images_per_class=500", f"cache={tmp_path}") == largest < 500


def test_where_only_some_classes_are_smaller_a_row_says_what_was_asked_for(tmp_path: Path) -> None:
    assert int(Run(digits()).images.train.labels.bincount().min()) < 112
    assert stated("distiller.images_per_class=112", f"cache={tmp_path}") == 112


def test_all_data_are_trained_on_by_a_protocol_of_their_own_and_say_so(tmp_path: Path) -> None:
    longer = "evaluation.full_protocol={name: small_hard, steps: 3}"
    quick = ["protocol=[{name: small, steps: 2}]", "student={name: convnet, width: 4}"]
    few = ["distiller=random", "evaluation.baselines=[full]", "evaluation.seeds=1"]
    # Under one protocol all rows stand in one table, however all data were trained on.
    results = Grid.of(Run(digits(longer, *quick, *few, f"cache={tmp_path}"))).results()
    [part] = results.parts
    assert [(r.distiller, r.note) for r in part.rows] == [
        ("random", ""),
        ("full", "by small_hard+steps=3"),
    ]
