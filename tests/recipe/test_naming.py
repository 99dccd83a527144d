"""Does a name say what sets a row apart, and nothing else?"""

import pytest

from ddoq.recipe.kinds import KINDS
from ddoq.recipe.naming import told_apart
from ddoq.recipe.settings import complete


@pytest.fixture
def methods() -> list[dict[str, object]]:
    """The variants of an ablation, completed as a recipe's are."""
    blocks = [
        {"name": "ddoq"},
        {"name": "ddoq", "solver": "d4m"},
        {"name": "ddoq", "solver": {"name": "lloyd", "hartigan": False}},
        {"name": "ddoq", "shrinkage": "directions", "images_per_class": 10},
        {"name": "herding"},
    ]
    return [complete(KINDS, "distiller", b) for b in blocks]


def test_what_is_left_at_its_default_is_not_said(methods):
    assert [told_apart("distiller", b, methods) for b in methods] == [
        "ddoq",
        "ddoq(solver=d4m)",
        "ddoq(solver=lloyd(hartigan=False))",
        "ddoq(shrinkage=directions)",
        "herding",
    ]


def test_what_all_have_is_not_said(methods):
    larger = [{**b, "images_per_class": 7} for b in methods[:2]]
    assert [told_apart("distiller", b, larger) for b in larger] == ["ddoq", "ddoq(solver=d4m)"]


def test_an_inner_setting_is_said_only_where_two_share_the_inner_name(methods):
    alone = [
        methods[0],
        complete(KINDS, "distiller", {"name": "ddoq", "solver": {"name": "d4m", "passes": 3}}),
    ]
    assert told_apart("distiller", alone[1], alone) == "ddoq(solver=d4m)"
    both = [methods[1], alone[1]]
    names = [told_apart("distiller", b, both) for b in both]
    assert names == ["ddoq(solver=d4m)", "ddoq(solver=d4m(passes=3))"]


def test_numbers_are_said_of_all_that_differ():
    blocks = [complete(KINDS, "student", {"name": "convnet", "depth": d}) for d in (1, 3)]
    assert [told_apart("student", b, blocks) for b in blocks] == [
        "convnet(depth=1)",
        "convnet(depth=3)",
    ]


def test_where_a_folder_lies_is_not_told():
    blocks = [{"name": "trained", "source": s} for s in ("/home/me/teachers/a", "pretrain")]
    names = [told_apart("teacher", b, blocks) for b in blocks]
    assert names == ["trained(source=a)", "trained(source=pretrain)"]


def test_of_two_folders_of_one_name_enough_is_told_to_tell_them_apart():
    places = ["/home/me/first/teacher", "/home/me/second/teacher", "/home/me/second/other"]
    blocks = [{"name": "trained", "source": s} for s in places]
    names = [told_apart("teacher", b, blocks) for b in blocks]
    assert names == [f"trained(source={s})" for s in ("first/teacher", "second/teacher", "other")]


def test_where_a_folder_within_a_component_lies_is_not_told():
    members = [[{"name": "trained", "source": f"/home/me/{s}"}] for s in "ab"]
    blocks = [{"name": "ensemble", "teachers": m} for m in members]
    assert "/home" not in told_apart("teacher", blocks[0], blocks)


def test_a_setting_with_a_name_in_it_need_not_be_a_component():
    blocks = [{"name": "mine:Net", "head": {"name": n}} for n in "ab"]
    assert told_apart("student", blocks[0], blocks) == "mine:Net(head=a)"


def test_components_within_a_nested_one_are_named_as_in_a_recipe():
    masses = {"name": "ddoq", "weighting": {"name": "mass"}}
    blocks = [complete(KINDS, "distiller", {"name": "dm", "start": x}) for x in ("ddoq", masses)]
    assert told_apart("distiller", blocks[1], blocks) == "dm(start=ddoq(weighting=mass))"
