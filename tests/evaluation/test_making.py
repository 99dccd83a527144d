"""Sets that take long: is each made once, by one process, and the same on any number of them?

`learner.py` beside this file is a user's distiller, which learns by gradient.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import ddoq
from ddoq import plan, recipe
from ddoq.errors import UsageError
from ddoq.evaluation.grid import Draw, Grid
from ddoq.evaluation.making import SetTask, kept, make, seconds, spent
from ddoq.run import Run

ONE = "evaluation.workers=1"
TWO = "evaluation.workers=2"
RANKS = "trainer={accelerator: cpu, devices: 2, strategy: ddp}"
# One table.
ALONE = ["protocols=[{name: small_hard, steps: 2}]"]
WORDS = ["recipe=digits", "student={name: convnet, depth: 1, width: 4}"]
WORDS += ["protocols=[{name: small_hard, steps: 2}, {name: dc, epochs: 2}]"]
WORDS += ["evaluation.baselines=[]", "evaluation.decoders=[]", "evaluation.seeds=2"]


@pytest.fixture
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the distiller into the working directory."""
    shutil.copy(Path(__file__).with_name("learner.py"), tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(learner: Path, environment: dict[str, str], warm: str) -> Start:
    """Return what starts `fit` with the distiller."""

    def started(*overrides: str, settings: str = "", python: str = warm) -> "subprocess.Popen[str]":
        words = [*WORDS, f"distiller={{name: 'learner:Slow'{settings}}}", *overrides]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        command = [python, "-m", "ddoq.fit", *words]
        return subprocess.Popen(
            command, cwd=learner, env=environment, start_new_session=True, **pipes
        )

    return started


def ended(process: "subprocess.Popen[str]", code: int = 0) -> str:
    said = process.communicate(timeout=200)[0]
    assert process.returncode == code, said
    return said


def learned(said: str) -> list[list[str]]:
    return sorted(line.split()[1:] for line in said.splitlines() if line.startswith("learning"))


def sets(cache: Path) -> dict[str, bytes]:
    files = (cache / "slow").glob("*/images.safetensors")
    return {file.parent.name: file.read_bytes() for file in files}


@pytest.fixture
def make_grid(learner: Path):
    """Return what opens a grid of the distiller."""

    def made(*overrides: str, **settings: bool) -> Grid:
        words = [*WORDS, "distiller=learner:Slow", "cache=cache", *overrides]
        return Grid.of(Run(recipe.read(words).recipe, **settings))

    return made


@pytest.mark.slow
def test_one_process_two_and_two_ranks_learn_the_same_sets_each_once(start: Start, learner: Path):
    found = {}
    for name, how in (("one", ONE), ("two", TWO), ("ranks", RANKS)):
        said = ended(start(how, f"cache={name}", f"out=out-{name}"))
        # Two protocols and two seeds: four trainings, but two sets.
        told = learned(said)
        assert [words[:2] for words in told] == [["0", "True"], ["1", "True"]]
        # Each rank has a process of its own.
        assert len({words[2] for words in told}) == (2 if name == "ranks" else 1)
        assert "2 sets to learn, about" in said
        found[name] = sets(learner / name)
    assert len(found["one"]) == 2
    assert found["one"] == found["two"] == found["ranks"]


@pytest.mark.slow
def test_a_set_that_is_killed_while_it_is_learned_goes_on_to_the_same_bytes(
    start: Start, learner: Path, make_grid
):
    whole = make_grid("cache=whole", *ALONE)
    for seed in range(2):
        make(whole.run, SetTask.of(whole, Draw(0, seed)))
    words = (TWO, "cache=cut", "out=out-cut", *ALONE)
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = start(*words, settings=", pause: 0.15", python=sys.executable)
        assert process.stdout is not None
        begun = 0
        while begun < 2:
            line = process.stdout.readline()
            assert line, "it ended before it learned"
            begun += line.startswith("learning")
        time.sleep(3.0)
        os.killpg(process.pid, number)
        process.communicate(timeout=60)
    assert sets(learner / "cut") == {}
    # SIGTERM leaves the state of its step.
    assert len(list((learner / "cut").glob(".work/slow-*/training.resume"))) == 2
    ended(start(*words))
    assert sets(learner / "cut") == sets(learner / "whole")


@pytest.mark.slow
def test_from_python_the_sets_of_a_call_are_learned_by_processes_too(learner: Path, capfd):
    how = {"protocol": {"name": "small_hard", "steps": 2}, "baselines": ["learner:Slow"]}
    given = ddoq.distill("digits", "decoder=plain", "cache=c", images_per_class=1)
    student = {"name": "convnet", "depth": 1, "width": 4}
    words = ["cache=c", "evaluation.workers=2"]
    results = ddoq.evaluate(given, students=[student], seeds=2, overrides=words, **how)
    assert [r.distiller for r in results] == ["ddoq", "ddoq", "learner:Slow", "learner:Slow"]
    said = capfd.readouterr()
    # Each by a process whose parent this one is.
    assert learned(said.out) == [[seed, "True", str(os.getpid())] for seed in "01"]
    assert "2 sets to learn" in said.err


@pytest.mark.slow
@pytest.mark.parametrize("how", [ONE, TWO, RANKS])
def test_an_error_while_a_set_is_learned_ends_the_run_and_names_the_line(
    start: Start, learner: Path, how: str
):
    said = ended(start(how, "cache=c", "out=o", settings=", fails: true"), 2)
    line = 1 + (learner / "learner.py").read_text().splitlines().index(
        '            raise ValueError("no gradient today")'
    )
    assert f"learner.py:{line}: ValueError: no gradient today" in said
    assert sets(learner / "c") == {}


def test_a_dry_run_names_each_set_with_its_time_and_makes_none(make_grid, learner: Path):
    grid = make_grid("evaluation.images_per_class=[1, 3]", makes=False)
    steps = {s.what: s for s in plan.plan(grid.run) if s.what.startswith("set")}
    assert list(steps) == [f"set learner:Slow of {number} per class" for number in (1, 3)]
    assert all(s.state == "to do" for s in steps.values())
    assert all(re.fullmatch(r"seeds 0, 1: <?[\d.]+ (s|min) each", s.needs) for s in steps.values())
    assert not list(learner.glob("cache/**/manifest.json"))


def test_a_set_that_is_there_is_cached_in_the_plan(make_grid):
    grid = make_grid()
    make(grid.run, SetTask.of(grid, Draw(0, 1)))
    [step] = [s for s in plan.plan(grid.run) if s.what.startswith("set")]
    assert step.needs.startswith("seed 0")
    make(grid.run, SetTask.of(grid, Draw(0, 0)))
    [step] = [s for s in plan.plan(grid.run) if s.what.startswith("set")]
    assert step.state == "cached"


def test_a_distiller_that_cannot_say_how_long_it_takes_is_planned_without_a_time(
    make_grid, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr(type(make_grid().rows[0].made.made), "seconds")
    plain = make_grid()
    assert seconds(plain, 0) is None
    assert [s.needs for s in plan.plan(plain.run) if s.what.startswith("set")] == ["seeds 0, 1"]


def test_a_set_that_is_not_kept_in_its_stage_is_refused(make_grid):
    grid = make_grid("distiller={name: 'learner:Slow', forgets: true}")
    with pytest.raises(UsageError, match=r"learner\.py:\d+: .*not the last of its stages, slow"):
        make(grid.run, SetTask.of(grid, Draw(0, 0)))


def test_a_distiller_that_learns_must_name_a_stage(make_grid):
    grid = make_grid()
    grid.rows[0].made.stages = lambda run, seed: []
    with pytest.raises(UsageError, match="its stages are none") as caught:
        kept(grid, Draw(0, 0))
    assert "stages(run, seed)" in caught.value.remedy


def test_other_sets_are_no_tasks(make_grid):
    grid = make_grid("evaluation.distillers=[random, herding]")
    assert [kept(grid, Draw(row, 0)) is not None for row in range(3)] == [True, False, False]


def test_a_study_that_only_tells_of_points_is_no_cost_of_their_set(tmp_path: Path):
    words = [*WORDS, "decoder=plain", f"cache={tmp_path}", "evaluation.seeds=1"]
    found = Grid.of(Run(recipe.read([*words, "distiller.folds=3"]).recipe))
    run, draw = found.run, Draw(0, 0)
    found.drawn(draw)
    stages = {p.stage.name: p for p in found.rows[0].made.stages(run, run.seed)}
    assert stages["study"].is_beside
    study = run.made_seconds(stages["study"].stage, stages["study"].key)
    whole = sum(run.made_seconds(p.stage, p.key) or 0.0 for p in stages.values())
    assert spent(found, draw) == pytest.approx(whole - (study or 0.0))
    budget = Grid.of(Run(recipe.read([*words, "distiller.budget=20"]).recipe)).rows[0].made
    assert not any(p.is_beside for p in budget.stages(run, run.seed))
