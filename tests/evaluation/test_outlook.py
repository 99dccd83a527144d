"""Is the time of a run said before it begins, for everything that is to be trained?"""

import re
from pathlib import Path

from ddoq import plan, recipe
from ddoq.evaluation.grid import Grid
from ddoq.evaluation.outlook import outlook
from ddoq.run import Run

SMALL = [
    "recipe=digits",
    "student=[{name: convnet, depth: 2, width: 8}]",
    "teacher.source=pretrain",
    "autoencoder.source=pretrain",
    "prior.source=pretrain",
]


def said(run: Run) -> dict[str, float]:
    line = outlook(run, list(plan.training(run)))
    return {name: float(minutes) for name, minutes in re.findall(r"(\w+) ([\d.e+-]+)[,;]", line)}


def test_each_part_and_all_trainings_are_counted_and_nothing_is_trained(tmp_path: Path):
    run = Run(recipe.read([*SMALL, f"cache={tmp_path}"]).recipe)
    found = said(run)
    assert list(found) == ["teacher", "autoencoder", "prior", "trainings"]
    assert all(minutes > 0 for minutes in found.values())
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
    assert said(Run(recipe.read(chosen).recipe, measures=False))["prior"] == 7
