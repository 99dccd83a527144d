from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ddoq.data.latents import LatentStore
from ddoq.processes.world import World
from ddoq.quantize.lloyd import Lloyd
from ddoq.quantize.study import Study, chosen, grid, study
from ddoq.quantize.validation import Trial


def normals(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def planted(**held_out: float) -> list[Trial]:
    """Trials with ten points: `none=4.0, mean_2=3.0` for no shrinkage and strength 2."""
    return [
        Trial(10, name.partition("_")[0], float(name.partition("_")[2] or 0), 1.0, value, 0.1)  # type: ignore[arg-type] # a literal
        for name, value in held_out.items()
    ]


def curve(*rows: tuple[int, float, float], towards="none") -> list[Trial]:
    """Trials of (number of points, held-out distortion, standard error)."""
    strength = 0.0 if towards == "none" else 1.0
    return [Trial(k, towards, strength, 0.0, held_out, error) for k, held_out, error in rows]


def of(*classes: list[Trial]) -> Study:
    return Study(dict(enumerate(classes)), seconds=1.0, folds=5)


def test_the_strength_is_best_for_the_ratios_of_all_classes_together():
    # In absolute terms the first class would win, with strength 1.
    first = planted(none=100.0, mean_1=90.0, mean_2=95.0, mean_4=99.0)
    others = planted(none=1.0, mean_1=0.9, mean_2=0.5, mean_4=0.6)
    assert of(first, others).strength("mean", 10) == 2.0


def test_the_strength_is_zero_where_shrinking_is_no_gain():
    assert of(planted(none=1.0, mean_1=1.0, mean_2=1.5)).strength("mean", 10) == 0.0
    assert of().strength("mean", 10) == 0.0


def test_the_strength_is_of_the_shrinkage_that_is_asked_for():
    one = of(planted(none=1.0, mean_1=0.5, mean_2=0.9, directions_1=0.9, directions_2=0.4))
    assert (one.strength("mean", 10), one.strength("directions", 10)) == (1.0, 2.0)


def test_the_strength_of_a_class_without_that_number_is_that_of_the_nearest():
    assert of(planted(none=1.0, mean_2=0.5)).strength("mean", 14) == 2.0


def test_classes_of_no_distortion_have_a_strength():
    assert of(planted(none=0.0, mean_1=0.0)).strength("mean", 10) == 0.0


def test_a_trial_is_found_by_number_shrinkage_and_strength():
    one = of(planted(none=4.0, mean_2=3.0))
    assert one.trial(0, 10, "mean", 2.0).held_out == 3.0
    assert one.trial(0, 10, "mean", 0.0).held_out == 4.0
    assert one.trial(0, 11, "mean", 2.0) is one.trial(1, 10, "mean", 2.0) is None


def test_a_curve_is_that_of_the_unshrunk_points():
    one = of(curve((1, 9.0, 0.1), (5, 4.0, 0.1)) + curve((1, 8.0, 0.1), towards="mean"))
    assert one.curve(0).num_points == (1, 5)
    assert one.curve(0).distortions == (9.0, 4.0)


def test_means_are_over_classes_with_the_best_strength_of_each():
    first = curve((1, 9.0, 0.3), (5, 4.0, 0.3)) + curve((1, 8.0, 0.3), towards="mean")
    second = curve((1, 5.0, 0.4))
    assert of(first, second).means() == {1: (7.0, pytest.approx(0.25))}
    assert of(first, second).means("mean") == {1: (6.5, pytest.approx(0.25))}


FLAT = [(1, 9.0, 0.1), (5, 5.0, 0.1), (10, 4.95, 0.1), (20, 5.5, 0.1)]
FALLING = [(1, 9.0, 0.1), (5, 5.0, 0.1), (10, 4.0, 0.1)]


def test_the_most_telling_number_is_beaten_by_none_by_more_than_an_error():
    assert of(curve(*FLAT)).most_telling() == 5
    assert of(curve(*FALLING)).most_telling() is None


def test_advice_names_the_most_telling_numbers():
    shrunk = curve(*((k, m - 0.5 * k / 10, e) for k, m, e in FLAT[:3]), towards="directions")
    assert of(curve(*FLAT)).advice() == (
        "beyond 5 points per class these data cannot tell the points apart "
        "(with shrinkage: beyond 5)"
    )
    assert "beyond 10)" in of(curve(*FLAT) + shrunk).advice()
    assert of(curve(*FALLING)).advice().endswith("come closer at 10 points per class")
    assert (
        of().advice()
        == of(curve(FLAT[0])).advice()
        == ("too few latents per class to judge the number of points")
    )


def test_the_grid_holds_the_number_asked_for_and_goes_beyond_it():
    assert grid(1) == [1, 2, 5, 10, 20, 50]
    assert grid(70) == [1, 2, 5, 10, 20, 50, 70, 100]


def test_classes_are_chosen_evenly_of_those_that_can_be_split():
    assert chosen([100, 3, 100, 100, 100], 2, folds=2) == [0, 3]
    assert chosen([100, 3, 4], 20, folds=2) == [0, 2]
    assert chosen([3, 3], 20, folds=2) == []


class Stopping:
    """A solver that is stopped by the user at some call."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, latents, num_points, *, generator):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return Lloyd()(latents, num_points, generator=generator)


@pytest.fixture
def store(make_store: Callable[..., LatentStore]) -> LatentStore:
    """Three classes, the second of them too small for five points."""
    return make_store([normals(24, 2, 3), normals(8, 2, 3, seed=1), normals(30, 2, 3, seed=2)])


def run(store: LatentStore, work: Path, solver: object = None) -> Study:
    work.mkdir(exist_ok=True)
    settings = {"num_points": [1, 5], "labels": [0, 1, 2], "folds": 2, "seed": 0}
    study(store, solver or Stopping(99), work=work, world=World(), **settings)
    return Study.load(work)


def test_a_study_is_of_the_numbers_that_each_class_allows(store: LatentStore, tmp_path: Path):
    result = run(store, tmp_path / "work")
    found = {c: sorted({t.num_points for t in rows}) for c, rows in result.trials.items()}
    assert found == {0: [1, 5], 1: [1], 2: [1, 5]}
    assert [f.name for f in (tmp_path / "work").iterdir()] == ["study.json"]


def test_a_class_without_a_trial_is_left_out(make_store: Callable[..., LatentStore], tmp_path):
    result = run(make_store([normals(24, 2), normals(2, 2), normals(30, 2)]), tmp_path / "work")
    assert list(result.trials) == [0, 2]


def test_an_interrupted_study_goes_on_after_its_last_class(store: LatentStore, tmp_path: Path):
    whole = run(store, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(store, tmp_path / "work", Stopping(6))
    assert [f.name for f in (tmp_path / "work").iterdir()] == ["study-00002.json"]
    # Classes 0 and 1 need two folds of two numbers and of one: what is done is not done again.
    assert run(store, tmp_path / "work", Stopping(6)).trials == whole.trials
