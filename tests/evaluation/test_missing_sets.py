"""Sets that a prior draws: are processes used where that pays, for the same images?"""

from pathlib import Path

import pytest

from ddoq import recipe
from ddoq.evaluation import missing_sets
from ddoq.evaluation.grid import Grid
from ddoq.evaluation.missing_sets import decode_missing
from ddoq.run import Run

WORDS = ["recipe=digits", "decoder.steps=3", "distiller.folds=0", "evaluation.seeds=3"]
WORDS += ["evaluation.decoders=[nearest]", "evaluation.baselines=[random, prior]"]
WORDS += ["protocol=small_hard", "student={name: convnet, depth: 1, width: 4}"]


def grid_of(cache: Path, *overrides: str) -> Grid:
    return Grid.of(Run(recipe.read([*WORDS, f"cache={cache}", *overrides]).recipe))


def drawn(cache: Path) -> dict[str, bytes]:
    files = (cache / "decoded").glob("*/*.safetensors")
    return {f"{f.parent.name}/{f.name}": f.read_bytes() for f in files}


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], int]]:
    """Return what is left to processes: of which distillers, and to how many."""
    told: list[tuple[list[str], int]] = []
    over_workers = missing_sets.over_workers

    def watched(run, tasks, workers, what):
        told.append(([task.entry.distiller["name"] for task in tasks], workers))
        over_workers(run, tasks, workers, what)

    monkeypatch.setattr(missing_sets, "over_workers", watched)
    return told


@pytest.mark.slow
def test_processes_draw_what_one_would_draw(tmp_path: Path, shared, monkeypatch):
    one = grid_of(tmp_path / "one", "evaluation.workers=1")
    decode_missing(one)
    assert not drawn(tmp_path / "one")
    for draw in one.draws:
        one.drawn(draw)
    monkeypatch.setattr(missing_sets, "STARTING", 1e-9)
    decode_missing(grid_of(tmp_path / "two", "evaluation.workers=2"))
    # The first of `ddoq` was drawn here, which told how long one takes. The others go seed by seed.
    # `nearest` and `random` read no prior.
    assert shared == [(["prior", "ddoq", "prior", "ddoq", "prior"], 2)]
    of_two = drawn(tmp_path / "two")
    assert len(of_two) == 6
    assert of_two.items() <= drawn(tmp_path / "one").items()
    decode_missing(grid_of(tmp_path / "two", "evaluation.workers=2"))
    assert len(shared) == 1


def test_few_seconds_are_not_worth_a_process(tmp_path: Path, shared):
    decode_missing(grid_of(tmp_path, "evaluation.workers=2"))
    assert shared == []
    assert len(drawn(tmp_path)) == 5
