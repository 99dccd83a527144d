"""Is the time of a run said before it begins, for everything that is to be trained?"""

import re
from pathlib import Path

from PIL import Image

from ddoq import plan, recipe
from ddoq.evaluation.grid import Grid
from ddoq.evaluation.outlook import outlook, time_of_trainings
from ddoq.run import Run

SMALL = [
    "recipe=digits",
    "student=[{name: convnet, depth: 2, width: 8}]",
    "teacher.source=pretrain",
    "autoencoder.source=pretrain",
    "prior.source=pretrain",
]


UNITS = {"s": 1, "min": 60, "h": 3600}


def said(run: Run) -> dict[str, float]:
    """Return the seconds that are said of each part."""
    line = outlook(run, list(plan.training(run)))
    found = re.findall(r"(\w+) <?([\d.]+) (s|min|h)[,;]", line)
    return {name: float(number) * UNITS[unit] for name, number, unit in found}


def test_each_part_and_all_trainings_are_counted_and_nothing_is_trained(tmp_path: Path):
    run = Run(recipe.read([*SMALL, f"cache={tmp_path}"]).recipe)
    found = said(run)
    assert list(found) == ["teacher", "autoencoder", "prior", "trainings"]
    assert all(seconds > 0 for seconds in found.values())
    assert f"{len(Grid.of(run))} trainings" in outlook(run, [])
    assert not (tmp_path / "pretrain").exists()


def test_a_hundred_times_the_steps_take_far_longer(tmp_path: Path):
    parts = ("teacher", "autoencoder", "prior")
    long, short = (
        said(Run(recipe.read([*SMALL, f"cache={tmp_path}", *steps]).recipe))
        for steps in (
            [f"pretrain.{part}.steps={number}" for part in parts] for number in (100_000, 1000)
        )
    )
    assert all(long[part] > 10 * short[part] for part in parts)


def test_minutes_that_a_recipe_gives_are_said_as_they_are(tmp_path: Path):
    chosen = [*SMALL, f"cache={tmp_path}", "pretrain.prior.minutes=7.0"]
    assert said(Run(recipe.read(chosen).recipe, makes=False))["prior"] == 7 * 60


def test_a_plan_says_the_time_of_the_trainings_although_no_image_is_decoded(tmp_path: Path):
    for number in range(20):
        place = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (number, 0, 0)).save(place)
    command = ["recipe=imagefolder_quick", f"data.root={tmp_path / 'photos'}", "evaluation.seeds=1"]
    run = Run(recipe.read([*command, f"cache={tmp_path}"]).recipe, makes=False)
    assert re.match(r"about [\d.]+ (s|min) for 3 trainings", time_of_trainings(run))
    assert not (tmp_path / "pixels").exists()
