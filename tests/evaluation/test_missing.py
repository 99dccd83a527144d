"""Are trainings spread over processes where that is worth it, and only there?"""

from pathlib import Path

import pytest

from ddoq import recipe
from ddoq.evaluation import missing, workers
from ddoq.evaluation.grid import Grid
from ddoq.run import Run

WORDS = [
    "recipe=digits",
    "decoder=plain",
    "evaluation.decoders=[]",
    "evaluation.baselines=[random]",
]
WORDS += ["student={name: convnet, depth: 1, width: 4}", "protocols=[{name: small_hard, steps: 2}]"]
WORDS += ["distiller.folds=0", "threads=1"]


@pytest.fixture
def make_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return what opens a grid on a machine of four cores."""
    monkeypatch.setattr(workers, "cores", lambda: 4)
    return lambda *more: Grid.of(Run(recipe.read([*WORDS, f"cache={tmp_path}", *more]).recipe))


@pytest.mark.parametrize(("seconds", "number"), [(0.0, 1), (26.0, 1), (27.0, 4), (3600.0, 4)])
def test_processes_must_save_more_than_their_start(make_grid, seconds: float, number: int):
    # Four processes save three quarters of the time, and twenty seconds are asked for.
    assert workers.num_worth(make_grid().run, seconds) == number


def test_a_number_of_processes_that_is_given_is_taken(make_grid):
    assert workers.num_worth(make_grid("evaluation.workers=2").run, 0.0) == 2


@pytest.mark.parametrize(
    ("more", "seconds", "spread"),
    [
        ([], None, []),
        ([], 100.0, [4]),
        (["evaluation.workers=2"], None, [2]),
        # Fewer than two trainings for each process.
        (["evaluation.workers=2", "evaluation.seeds=1"], None, []),
    ],
)
def test_few_and_short_trainings_are_done_here(
    make_grid, monkeypatch: pytest.MonkeyPatch, more: list[str], seconds: float, spread: list[int]
):
    found: list[int] = []
    monkeypatch.setattr(
        missing, "over_workers", lambda run, jobs, number, what: found.append(number)
    )
    missing.train_missing(make_grid(*more), seconds)
    assert found == spread
