"""Do keywords from Python mean what one would type?"""

import pytest
from torch import nn

from ddoq import recipe
from ddoq.errors import UsageError
from ddoq.recipe import Recipe
from ddoq.students.convnet import ConvNet


def changed(**changes: object) -> Recipe:
    return recipe.read(["recipe=digits"], changes=changes).recipe


def test_a_setting_of_the_distiller_the_evaluation_or_the_recipe_is_found():
    wanted = changed(images_per_class=2, seeds=5, seed=7)
    assert wanted.distiller["images_per_class"] == 2
    assert (wanted.evaluation.seeds, wanted.seed) == (5, 7)
    assert wanted.evaluation.decoders == recipe.read(["recipe=digits"]).recipe.evaluation.decoders


def test_several_sizes_are_those_of_the_table():
    assert changed(images_per_class=[1, 10]).evaluation.images_per_class == [1, 10]


def test_another_distiller_is_given_its_settings_too():
    assert changed(distiller="herding", features="pixels").distiller == {
        "name": "herding",
        "images_per_class": 10,
        "budget": None,
        "features": "pixels",
        "class_prior": "uniform",
    }


def test_keywords_are_what_one_would_type():
    typed = recipe.read(["recipe=digits", "student=[convnet]", "decoder=plain"]).recipe
    assert changed(student=["convnet"], decoder="plain") == typed


def test_a_class_at_the_top_of_a_file_is_named_by_its_place():
    assert changed(student=ConvNet).students[0]["name"] == "ddoq.students.convnet:ConvNet"


def test_a_class_that_no_other_process_finds_is_refused():
    class Local(nn.Module): ...

    with pytest.raises(UsageError, match="cannot be imported by another process"):
        changed(student=Local)


def test_an_unknown_keyword_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"no 'image_per_class'.*did you mean"):
        changed(image_per_class=2)


def test_two_changes_have_two_folders():
    few, many = (recipe.read(["recipe=digits"], changes={"seeds": n}).digest for n in (1, 2))
    assert few != many
