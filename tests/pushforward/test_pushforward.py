"""The figures of a run's sets."""

import json
from pathlib import Path

from ddoq import recipe
from ddoq.evaluation.grid import Grid
from ddoq.pushforward.pushforward import push_forward
from ddoq.run import Run


def grid(folder: Path, *words: str) -> Grid:
    few = [
        "evaluation.seeds=2",
        "evaluation.decoders=[plain]",
        "evaluation.baselines=[random,full]",
    ]
    size = ["decoder=nearest", "distiller.images_per_class=2", "distiller.folds=0"]
    chosen = recipe.read(["recipe=digits", *few, *size, f"cache={folder}", *words])
    return Grid.of(Run(chosen.recipe))


def test_one_set_of_each_row_is_measured_but_all_data(tmp_path: Path):
    found = push_forward(grid(tmp_path, "seed=7"))
    assert found is not None
    assert [s.row.name for s in found.sets] == [
        "ddoq (root, nearest)",
        "ddoq (root, plain)",
        "random",
    ]
    assert {(s.seed, s.images) for s in found.sets} == {(7, 20)}
    assert [s.w2_points is None for s in found.sets] == [False, False, True]
    # The nearest real images are training images, as random ones are.
    assert [s.figures.pixels is not None and s.figures.pixels.ratio == 0 for s in found.sets] == [
        True,
        False,
        True,
    ]
    assert json.loads(json.dumps(found.plain()))["sets"][2]["distiller"] == "random"


def test_the_figures_may_be_left_out(tmp_path: Path):
    assert push_forward(grid(tmp_path, "evaluation.pushforward=false")) is None


def test_nothing_is_trained_or_encoded_for_the_figures_alone(tmp_path: Path):
    words = ["distiller=random", "protocol=small_hard", "teacher={name: trained, source: pretrain}"]
    untrained = "autoencoder={name: kl, source: pretrain}"
    asked = grid(tmp_path, *words, untrained, "evaluation.decoders=[]")
    found = push_forward(asked)
    assert found is not None
    assert [s.figures.w2_uniform for s in found.sets] == [None]
    assert (found.extractor, found.in_class) == ("", None)
    assert {r.stage for r in asked.run.records} == {"pushforward/real", "pushforward/set"}


def test_halves_of_small_sets_are_left_out_with_a_reason(tmp_path: Path):
    found = push_forward(grid(tmp_path, "evaluation.redundancy=true"))
    assert found is not None
    assert {s.redundancy for s in found.sets} == {None}
    assert all("2 images" in s.left_out for s in found.sets)
