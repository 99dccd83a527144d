"""Is the variant chosen by validation images alone, and compared on the test images?"""

import json
from dataclasses import replace

import pytest

from ddoq import recipe
from ddoq.errors import UsageError
from ddoq.evaluation.choice import chosen
from ddoq.evaluation.results import Results
from ddoq.evaluation.score import Result, Row
from ddoq.experiment import experiment
from ddoq.report.table import sheets
from ddoq.run import Run
from ddoq.run.refusals import refuse_run
from ddoq.synthetic import SyntheticSet

SHRUNK, D4M = "ddoq(shrinkage=directions)", "ddoq(solver=d4m)"


def run(
    distiller: str, size: int, seed: int, val: float, test: float, student: str = "a"
) -> Result:
    return Result(
        distiller=distiller,
        images_per_class=size,
        student=student,
        protocol="small",
        labels="soft",
        seed=seed,
        set_seed=seed,
        top1=test,
        top5=1.0,
        loss=1.0,
        seconds=1.0,
        peak_memory_mb=1.0,
        val_top1=val,
    )


@pytest.fixture
def results() -> list[Result]:
    """At 10 the shrunk points are best on validation, D4M's on test; at 1 it is the other way."""
    of_row = {
        ("ddoq", 10): (0.5, 0.5),
        (SHRUNK, 10): (0.6, 0.4),
        (D4M, 10): (0.4, 0.7),
        ("herding", 10): (0.9, 0.3),
        ("random", 10): (0.8, 0.2),
        ("ddoq", 1): (0.1, 0.1),
        (D4M, 1): (0.2, 0.1),
        ("random", 1): (0.9, 0.1),
    }
    rows = [
        run(name, size, seed, val + 0.01 * seed, test + 0.01 * seed**2)
        for (name, size), (val, test) in of_row.items()
        for seed in range(3)
    ]
    return [*rows, run("full", 0, 0, 0.95, 0.95)]


def test_the_methods_best_row_on_validation_is_chosen_for_each_size(results):
    assert chosen(results, "ddoq") == {10: Row(SHRUNK, 10), 1: Row(D4M, 1)}


def test_nothing_is_chosen_where_validation_was_not_measured(results):
    assert chosen([replace(r, val_top1=float("nan")) for r in results], "ddoq") == {}


def test_a_row_with_fewer_runs_is_not_chosen(results):
    lucky = run("ddoq(solver=clvq)", 10, 0, 0.99, 0.99)
    assert chosen([*results, lucky], "ddoq")[10] == Row(SHRUNK, 10)


def test_the_chosen_row_is_compared_with_other_methods_on_the_test_images(results):
    pairs = [
        (c.a.distiller, c.b.distiller, c.b.images_per_class)
        for c in Results(results).only.comparisons
    ]
    assert pairs == [
        (D4M, "random", 1),
        (D4M, "full", 0),
        (SHRUNK, "herding", 10),
        (SHRUNK, "random", 10),
        (SHRUNK, "full", 0),
    ]
    assert Results(results).only.comparisons[2].difference.mean == pytest.approx(0.4 - 0.3)


def test_a_sheet_says_how_its_leading_row_was_chosen(results):
    [sheet] = sheets(Results(results), data="blobs", num_test_images=1)
    headings = {row.images_per_class: sheet.heading(row) for row in sheet.chosen}
    assert headings[10] == f"{SHRUNK}, 10 per class (chosen on validation images), minus"


def test_the_set_that_is_saved_is_the_chosen_variant(tmp_path, monkeypatch):
    words = ["recipe=digits", "decoder=nearest", "evaluation.decoders=[plain]", "seed=0"]
    words += ["student={name: convnet, depth: 1, width: 4}", "evaluation.choose=true"]
    words += ["protocols=[{name: small_hard, steps: 1}]", "evaluation.baselines=[random]"]
    words += [f"cache={tmp_path / 'cache'}", f"out={tmp_path / 'out'}", "evaluation.seeds=1"]
    words += ["evaluation.pushforward=false", "evaluation.workers=1", "distiller.folds=0"]
    plain = Row("ddoq", 1, "root", "plain")
    monkeypatch.setattr("ddoq.evaluation.results.chosen", lambda runs, method: {1: plain})
    experiment(recipe.read(words))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["answer"]["headline"][0].startswith("The set ddoq (root, plain) of 1 image")
    saved = SyntheticSet.load(tmp_path / "out" / "synthetic")
    assert saved.provenance["decoder"]["name"] == "plain"
    assert saved.fingerprint == summary["set"]["fingerprint"]


def test_choosing_needs_images_that_do_not_measure():
    with pytest.raises(UsageError, match="choose and measure on the same images"):
        recipe.read(["recipe=digits", "evaluation.choose=true", "evaluation.split=val"])


def test_choosing_needs_validation_images(tmp_path, monkeypatch):
    opened = Run(recipe.read(["recipe=digits", "evaluation.choose=true"]).recipe)
    refuse_run(opened)
    monkeypatch.setattr(opened.images, "val", [])
    with pytest.raises(UsageError, match="no validation images to choose by"):
        refuse_run(opened)
