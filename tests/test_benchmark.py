"""Is a grid the same however it is asked for and wherever it is filled?"""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ddoq import benchmark, recipe
from ddoq.errors import UsageError
from ddoq.evaluation.rows import entries
from ddoq.report.files import read_results

ROOT = Path(__file__).parents[1]
GRID = [
    "recipe=digits",
    "distillers=[ddoq,herding]",
    "students=[{name: convnet, depth: 1, width: 8},{name: convnet, depth: 2, width: 8}]",
    "images_per_class=[1,2]",
    "protocols=[{name: small, steps: 20},{name: small_hard, steps: 20}]",
    "decoders=[]",
    "decoder=plain",
    "baselines=[random,full]",
    "seeds=2",
]


RunBenchmark = Callable[..., str]


@pytest.fixture(scope="module")
def run_benchmark(warm: str) -> RunBenchmark:
    """Return what runs `python -m ddoq.benchmark` as a process, and what it printed."""

    def run(*overrides: str, cwd: Path) -> str:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [warm, "-m", "ddoq.benchmark", *GRID, *overrides]
        how = {"env": environment, "capture_output": True, "text": True, "timeout": 280}
        done = subprocess.run(command, cwd=cwd, check=False, **how)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def asked(*argv: str) -> recipe.Recipe:
    short = {axis: f"evaluation.{axis}" for axis in benchmark._AXES}
    return benchmark.with_methods(recipe.read(["recipe=digits", *argv], short=short).recipe)


def test_the_first_of_other_methods_leads() -> None:
    wanted = asked("distillers=[d4m,random]", "decoders=[]")
    assert [e.distiller["name"] for e in entries(wanted)][:2] == ["d4m", "random"]


def test_other_methods_have_the_recipes_size() -> None:
    for size in (1, 50):
        wanted = asked("distillers=[d4m,herding]", f"distiller.images_per_class={size}")
        assert {e.distiller.get("images_per_class", size) for e in entries(wanted)} == {size}


def test_a_budget_goes_to_methods_that_can_spread_it() -> None:
    leads = entries(asked("distillers=[herding,random]", "distiller.budget=33"))
    assert [e.distiller["budget"] for e in leads[:2]] == [33, 33]
    with pytest.raises(UsageError, match="d4m cannot spread a budget of 33"):
        asked("distillers=[d4m,herding]", "distiller.budget=33")


def test_the_recipes_own_method_keeps_its_settings_and_leads() -> None:
    wanted = asked("distillers=[herding,ddoq]", "distiller.folds=3", "decoders=[]")
    rows = entries(wanted)
    assert (rows[0].distiller["name"], rows[0].distiller["folds"]) == ("ddoq", 3)
    assert rows[1].distiller["name"] == "herding"


def test_a_method_that_is_named_is_no_baseline_again() -> None:
    names = [e.distiller["name"] for e in entries(asked("distillers=[ddoq,random]", "decoders=[]"))]
    assert names == ["ddoq", "random", "ddoq", "full"]


def test_without_methods_the_recipe_is_as_it_was() -> None:
    assert asked("seeds=7").evaluation.seeds == 7
    assert asked().distiller == recipe.read(["recipe=digits"]).recipe.distiller


@pytest.fixture(scope="module")
def finished(
    run_benchmark: RunBenchmark, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A grid filled by one process after another, and what it said."""
    folder = tmp_path_factory.mktemp("grid")
    places = [f"out={folder / 'out'}", f"cache={folder / 'cache'}"]
    return folder, run_benchmark("evaluation.workers=1", *places, cwd=folder)


@pytest.mark.slow
def test_the_time_is_said_before_anything_is_trained(finished: tuple[Path, str]) -> None:
    said = finished[1]
    # Herding does not depend on the seed, its students do.
    assert re.search(r"\d trainings to do, about <?[\d.]+ (s|min)", said)
    assert said.index("trainings to do") < said.index("students: done")


@pytest.mark.slow
def test_every_cell_of_the_grid_is_in_the_results(finished: tuple[Path, str]) -> None:
    results = read_results(finished[0] / "out")
    methods = [r for r in results if r.distiller != "full"]
    assert len(methods) == 3 * 2 * 2 * 2 * 2
    assert {(r.distiller, r.images_per_class) for r in methods} == {
        (d, n) for d in ("ddoq", "herding", "random") for n in (1, 2)
    }


@pytest.mark.slow
def test_soft_and_hard_protocols_together_give_the_metrics(finished: tuple[Path, str]) -> None:
    summary = json.loads((finished[0] / "out" / "summary.json").read_text())
    found = {m["metric"] for m in summary["metrics"] if m["distiller"] == "ddoq"}
    assert {"IOR", "HLR", "gap"} <= found


@pytest.mark.slow
@pytest.mark.parametrize(
    "spread",
    [
        ["evaluation.workers=2"],
        ["evaluation.spread=ray"],
        ["evaluation.spread=ranks", "trainer={accelerator: cpu, devices: 2, strategy: ddp}"],
    ],
)
def test_the_results_are_those_of_one_process(
    run_benchmark: RunBenchmark, finished: tuple[Path, str], tmp_path: Path, spread: list[str]
) -> None:
    if "evaluation.spread=ray" in spread:
        pytest.importorskip("ray")
    places = [f"out={tmp_path / 'out'}", f"cache={tmp_path / 'cache'}"]
    run_benchmark(*spread, "images_per_class=[1]", *places, cwd=tmp_path)
    first, other = (
        [(r.row, r.student, r.protocol, r.seed, r.top1, r.loss) for r in read_results(f / "out")]
        for f in (finished[0], tmp_path)
    )
    assert len([row for row, *_ in other if row.distiller != "full"]) == 3 * 2 * 2 * 2
    assert other == [row for row in first if row in other]


@pytest.mark.slow
def test_a_larger_grid_trains_only_what_is_new(
    run_benchmark: RunBenchmark, finished: tuple[Path, str]
) -> None:
    folder = finished[0]
    places = [f"out={folder / 'more'}", f"cache={folder / 'cache'}"]
    run_benchmark("evaluation.workers=1", "seeds=3", *places, cwd=folder)
    summary = json.loads((folder / "more" / "summary.json").read_text())
    [trainings] = [s for s in summary["stages"] if s["stage"].startswith("training")]
    assert 0 < trainings["runs"] - trainings["cache_hits"] <= 3 * 2 * 2 * 2


def test_teachers_are_an_axis_with_tables_of_their_own_and_a_map(
    run_benchmark: RunBenchmark, tmp_path: Path
) -> None:
    printed = run_benchmark(
        "distillers=[ddoq]",
        "images_per_class=[2]",
        "teachers=[{name: trained, source: pretrain}]",
        "pretrain.teacher={steps: 30, student: {name: convnet, depth: 1, width: 8}}",
        "evaluation.across=true",
        "evaluation.workers=1",
        cwd=tmp_path,
    )
    [folder] = tmp_path.glob("checkpoints/runs/digits/*")
    results = read_results(folder)
    shipped, own = "trained(source=checkpoints/digits/teacher)", "trained(source=pretrain)"
    soft = [r for r in results if r.labels == "soft"]
    assert {r.teacher for r in soft} == {shipped, own}
    assert {r.teacher for r in results if r.labels == "hard"} == {"-"}
    of = {t: [r.top1 for r in soft if r.teacher == t] for t in (shipped, own)}
    assert len(of[shipped]) == len(of[own])
    assert of[shipped] != of[own]
    assert "teachers down, students across" in printed
    assert "ACROSS 3 PROTOCOLS OR TEACHERS" in printed
    summary = json.loads((folder / "summary.json").read_text())
    assert {g["teacher"] for g in summary["groups"]} == {shipped, own, "-"}
    assert all(g["top1_per_second"] > 0 and g["top1_per_megabyte"] > 0 for g in summary["groups"])
    assert all(r.set_seconds > 0 for r in results if r.distiller == "ddoq")
