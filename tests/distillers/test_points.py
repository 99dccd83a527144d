from pathlib import Path
from typing import Any

import pytest
import torch

from ddoq import recipe
from ddoq.api import distill
from ddoq.distillers.ddoq import DDOQ
from ddoq.distillers.points import Points
from ddoq.errors import UsageError
from ddoq.quantize.study import grid
from ddoq.run import Run
from ddoq.synthetic import SyntheticSet

QUICK = ["distiller.folds=2", "distiller.studied_classes=2"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def digits(cache: Path, *overrides: str) -> SyntheticSet:
    return distill("digits", "decoder=plain", f"cache={cache}", *overrides)


def points(cache: Path, **settings: Any) -> Points:
    run = Run(recipe.read(["recipe=digits", f"cache={cache}"]).recipe)
    # The solver as the recipe has it: one study for all tests.
    settings = {"folds": 2, "solver": run.recipe.distiller["solver"], **settings}
    return DDOQ({"name": "plain"}, {"name": "uniform"}, **settings).points(run, 0)


def per_class(synthetic: SyntheticSet) -> list[int]:
    return torch.bincount(synthetic.labels, minlength=10).tolist()


@pytest.mark.parametrize("rule", ["gain", "zador"])
def test_a_budget_is_spent_to_the_last_image(cache: Path, rule: str):
    spread = digits(cache, "distiller.budget=37", f"distiller.allocation={rule}", *QUICK)
    assert len(spread) == 37
    assert min(per_class(spread)) >= 1
    assert len(set(per_class(spread))) > 1


def test_the_random_baseline_spends_the_same_budget(cache: Path):
    baseline = digits(cache, "distiller=random", "distiller.budget=37")
    assert per_class(baseline) == [4] * 7 + [3] * 3


def test_the_numbers_are_those_that_the_study_of_all_classes_allocates(cache: Path):
    found = points(cache, budget=37, studied_classes=1)
    assert len(found.study.trials) == 10
    assert found.quantization.requested.tolist() == found.numbers
    assert sum(found.numbers) == 37


def test_the_strength_is_the_one_that_the_study_found(cache: Path):
    found = points(cache, shrinkage="directions", images_per_class=10, studied_classes=2)
    assert found.shrinkage.strength == found.study.strength("directions", 10) > 0
    shrunk = digits(
        cache, "distiller.shrinkage=directions", "distiller.images_per_class=10", *QUICK
    )
    assert shrunk.provenance["shrinkage"] == {
        "towards": "directions",
        "strength": found.shrinkage.strength,
    }
    assert torch.equal(shrunk.latents, found.quantization.points)


def test_a_strength_that_is_given_is_used(cache: Path):
    found = points(cache, shrinkage="mean", strength=3.5, images_per_class=4, folds=0)
    assert (found.shrinkage.towards, found.shrinkage.strength) == ("mean", 3.5)
    assert found.study is None


def test_shrunk_points_lie_nearer_to_the_mean_of_their_class(cache: Path):
    plain = points(cache, images_per_class=4, folds=0).quantization
    shrunk = points(cache, images_per_class=4, folds=0, shrinkage="mean", strength=9.0).quantization
    spreads = [float(q.points.flatten(1).var(0).sum()) for q in (plain, shrunk)]
    assert spreads[1] < spreads[0]
    assert bool((shrunk.distortions >= plain.distortions).all())


def test_the_study_does_not_decide_on_points_that_need_none(cache: Path):
    with_it, without = (points(cache, images_per_class=4, folds=f) for f in (2, 0))
    assert with_it.key() == without.key()
    assert "study" in points(cache, shrinkage="mean").key()
    assert "study" in points(cache, budget=20).key()


def test_certificates_and_advice_stand_in_the_provenance(cache: Path):
    provenance = digits(cache, "weighting=mass", *QUICK).provenance
    rows = provenance["certificates"]
    assert [row["class"] for row in rows] == [str(d) for d in range(10)]
    assert [row["held_out_distortion"] is not None for row in rows].count(True) == 2
    assert all(row["weights_w2"] == pytest.approx([row["w2"]] * 2, rel=1e-5) for row in rows)
    assert provenance["advice"]


def test_the_grid_of_a_budget_goes_around_the_mean_number_of_a_class(cache: Path):
    assert points(cache, budget=251).study_key()["num_points"] == grid(26)


@pytest.mark.parametrize(
    "settings",
    [
        {"folds": 0, "budget": 20},
        {"folds": 0, "shrinkage": "mean"},
        {"folds": 1},
        {"folds": -1},
        {"studied_classes": 0},
        {"images_per_class": 0},
        {"strength": -1.0},
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any]):
    with pytest.raises(UsageError):
        DDOQ({"name": "plain"}, {"name": "uniform"}, **settings)
