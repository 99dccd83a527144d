"""Do minutes become steps once, in the key and in the saved recipe?"""

from pathlib import Path

import pytest

from ddoq import recipe
from ddoq.files.artifacts import read_json
from ddoq.plan import plan
from ddoq.priors import throughput
from ddoq.run import Run

NET = "net: {name: unet, width: 8, multipliers: [1, 1], blocks: 1, attention: []}"
TIMED = f"pretrain.prior={{{NET}, space: pixels, minutes: 0.05, batch_size: 8, samples: 0}}"


@pytest.fixture
def timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(throughput, "_SECONDS", 0.3)
    chosen = ["recipe=digits", "prior=unet", "prior.source=pretrain", TIMED, "decoder=unet"]
    return recipe.read([*chosen, f"cache={tmp_path}"]).recipe


def test_the_steps_that_fit_stand_in_the_recipe_and_in_the_key(timed, tmp_path: Path):
    run = Run(timed)
    settings = run.pretrain_key("prior")["settings"]
    [measured] = [read_json(f) for f in tmp_path.glob("throughput/*/throughput.json")]
    assert settings["minutes"] is None
    assert settings["steps"] == measured["steps"]
    assert settings["steps"] == int(0.95 * 3 * measured["steps_per_second"])
    assert run.recipe.pretrain["prior"] == settings
    again = recipe.from_plain({**vars(run.recipe), "evaluation": vars(run.recipe.evaluation)})
    assert again.pretrain["prior"]["steps"] == settings["steps"]


def test_a_second_run_finds_what_the_first_measured(timed, monkeypatch: pytest.MonkeyPatch):
    first = Run(recipe.change(timed, {})).pretrain_key("prior")
    monkeypatch.setattr(throughput, "steps_per_second", lambda *_: pytest.fail("measured again"))
    assert Run(recipe.change(timed, {})).pretrain_key("prior") == first


def test_a_plan_measures_nothing_and_says_the_time(timed, tmp_path: Path):
    steps = plan(Run(timed, makes=False))
    [needs] = [s.needs for s in steps if s.what == "pretrain prior"]
    assert needs.startswith("3 s of 8 images")
    assert not (tmp_path / "throughput").exists()


def test_a_plan_knows_what_was_measured(timed, tmp_path: Path):
    measured = Run(recipe.change(timed, {})).pretrain_key("prior")
    assert Run(timed, makes=False).pretrain_key("prior") == measured
