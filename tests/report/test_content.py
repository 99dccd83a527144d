from dataclasses import replace

import pytest

from ddoq.evaluation.results import Results
from ddoq.evaluation.score import Result
from ddoq.recipe import read
from ddoq.report.content import data_name, per_class, shown_recipe

RESULT = Result(
    distiller="ddoq",
    images_per_class=1,
    student="convnet",
    protocol="small",
    labels="soft",
    seed=0,
    set_seed=0,
    top1=0.5,
    top5=0.9,
    loss=1.0,
    seconds=1.0,
    peak_memory_mb=1.0,
)


@pytest.mark.parametrize(
    ("sizes", "title"),
    [
        ([1, 0], "1 image per class"),
        ([10, 10, 0], "10 images per class"),
        ([1, 10, 50, 1, 0], "1, 10 and 50 images per class"),
        ([0], "all images per class"),
    ],
)
def test_a_page_is_titled_by_the_sizes_of_its_sets(sizes: list[int], title: str) -> None:
    runs = [replace(RESULT, images_per_class=n, seed=i) for i, n in enumerate(sizes)]
    assert per_class(Results(runs)) == title


def test_the_recipe_on_the_page_does_not_say_where_folders_lie() -> None:
    recipe = read(
        [
            "recipe=digits",
            "data={name: imagefolder, root: /home/me/photos, class_names: /home/me/names.json}",
            "teacher={name: ensemble, teachers: [{name: trained, source: /home/me/a}, trained]}",
            "autoencoder.source=~/weights",
            "evaluation.teachers=[{name: trained, source: /home/me/b}]",
            "trainer.default_root_dir=/home/me/logs",
            "cache=/home/me/cache",
            "out=/home/me/out",
        ]
    ).recipe
    shown = shown_recipe(recipe).yaml()
    assert "/home" not in shown
    assert "~" not in shown
    assert "source: weights" in shown
    assert recipe.data["root"] == "/home/me/photos"


def test_the_recipe_on_the_page_gives_no_size_to_rows_that_have_the_methods() -> None:
    recipe = read(["recipe=digits", "distiller.images_per_class=5"]).recipe
    assert any("images_per_class" in row for row in recipe.evaluation.baselines if row != "uniform")
    assert shown_recipe(recipe).yaml().count("images_per_class: 5\n") == 1
    assert "images_per_class: 10\n" not in shown_recipe(recipe).yaml()


def test_the_recipe_on_the_page_gives_no_size_to_the_start_of_a_learned_set() -> None:
    asked = ["recipe=digits", "distiller={name: dm, images_per_class: 3, start: random}"]
    rows = "evaluation.distillers=[{name: dc, start: {name: random, images_per_class: 7}}]"
    recipe = read([*asked, rows]).recipe
    assert recipe.distiller["start"]["images_per_class"] is not None
    shown = shown_recipe(recipe)
    starts = [shown.distiller["start"], shown.evaluation.distillers[0]["start"]]
    assert ["images_per_class" in start for start in starts] == [False, False]
    assert shown.distiller["images_per_class"] == 3


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("data={name: imagefolder, root: /home/me/photos}", "photos"),
        ("data={name: imagefolder, root: photos/}", "photos"),
        ("data=digits", "digits"),
    ],
)
def test_images_are_named_by_their_own_folder(argument: str, name: str) -> None:
    assert data_name(read(["recipe=digits", argument]).recipe) == name
