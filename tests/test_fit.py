"""The whole program, as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import ddoq
from ddoq import recipe
from ddoq.errors import UsageError
from ddoq.experiment import experiment
from ddoq.files.artifacts import sha256
from ddoq.report.files import read_results
from ddoq.report.finished import FinishedRun
from ddoq.report.merging import merged
from ddoq.report.unfinished import UNFINISHED

ROOT = Path(__file__).parents[1]
QUICK = [
    "recipe=digits",
    "student=[{name: convnet, depth: 2, width: 8}]",
    "protocol={name: small, steps: 80}",
    "evaluation.seeds=2",
    "distiller.images_per_class=2",
    # The images of a class are guided together, and each is a block of its own.
    "evaluation.decoders=[plain, nearest, {name: dit, steps: 6, guide: transport, block: 1}]",
]
TWO_RANKS = ["trainer.devices=2", "trainer.accelerator=cpu", "trainer.strategy=ddp"]


RunFit = Callable[..., str]


@pytest.fixture(scope="module")
def run_fit(warm: str) -> RunFit:
    """Return what runs `python -m ddoq.fit` as a process of its own, and what it printed."""

    def run(*overrides: str, cwd: Path, launcher: tuple[str, ...] = ()) -> str:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [*(launcher or (warm, "-m", "ddoq.fit")), *QUICK, *overrides]
        how = {"env": environment, "capture_output": True, "text": True, "timeout": 280}
        done = subprocess.run(command, cwd=cwd, check=False, **how)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def hashes(cache: Path) -> dict[str, str]:
    """Return the checksum of every file that determines points and images."""
    files = [f for s in ("quantization", "decoded") for f in (cache / s).rglob("*.safetensors")]
    return {f.relative_to(cache).as_posix(): sha256(f) for f in files}


@pytest.fixture(scope="module")
def finished(run_fit: RunFit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on one rank: `out` is its folder, `cache` beside it."""
    folder = tmp_path_factory.mktemp("one")
    run_fit(f"out={folder / 'out'}", f"cache={folder / 'cache'}", cwd=folder)
    return folder


@pytest.mark.parametrize("name", ["synthetic/mine.png", "recipe.yaml"])
def test_files_of_the_users_are_refused_before_any_work(tmp_path: Path, name: str) -> None:
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(UsageError, match=r"replaced|is not from a run of ddoq"):
        experiment(recipe.read([*QUICK, f"out={tmp_path / 'out'}", f"cache={tmp_path / 'cache'}"]))
    assert mine.read_text() == "mine"
    assert [f.name for f in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
def test_a_run_leaves_the_folder_that_was_promised(finished: Path) -> None:
    names = {p.name for p in (finished / "out").iterdir()}
    assert names == {
        "recipe.yaml",
        "synthetic",
        "results.csv",
        "summary.json",
        "report.html",
        "report.json",
        "log.jsonl",
    }


@pytest.mark.slow
def test_every_student_learns_far_more_than_chance(finished: Path) -> None:
    results = read_results(finished / "out")
    assert {r.distiller for r in results} == {"ddoq", "random", "full"}
    decoders = {r.decoder.split("(")[0] for r in results if r.distiller == "ddoq"}
    assert decoders == {"dit", "plain", "nearest"}
    assert min(r.top1 for r in results) > 0.3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoding", "channel"), [("ascii", ""), ("utf-8", "> /dev/full"), ("utf-8", "| head -1")]
)
def test_a_terminal_that_shows_nothing_costs_no_result(
    finished: Path, tmp_path: Path, encoding: str, channel: str
) -> None:
    words = [*QUICK, "out=out", f"cache={finished / 'cache'}"]
    command = f"{sys.executable} -m ddoq.fit {' '.join(map(repr, words))} {channel}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert read_results(tmp_path / "out") == read_results(finished / "out")
    assert {"summary.json", "report.html", "synthetic"} <= set(os.listdir(tmp_path / "out"))


@pytest.mark.slow
def test_a_second_run_finds_every_stage_finished(run_fit: RunFit, finished: Path) -> None:
    run_fit(f"out={finished / 'again'}", f"cache={finished / 'cache'}", cwd=finished)
    stages = json.loads((finished / "again" / "summary.json").read_text())["stages"]
    assert stages
    assert all(s["cached"] for s in stages)
    first, again = (read_results(finished / n) for n in ("out", "again"))
    assert first == again
    known = json.loads((finished / "out" / "summary.json").read_text())["stages"]
    made = {s["stage"]: s["made_seconds"] for s in known}
    [trainings] = [seconds for name, seconds in made.items() if name.startswith("training")]
    assert trainings > 1
    assert {s["stage"]: s["made_seconds"] for s in stages} == made


@pytest.mark.slow
def test_a_report_of_two_runs_counts_equal_trainings_once(run_fit: RunFit, finished: Path) -> None:
    run_fit(f"out={finished / 'again'}", f"cache={finished / 'cache'}", cwd=finished)
    runs = [FinishedRun.read(finished / name) for name in ("out", "again")]
    [group] = merged(runs)
    assert len(group.results) == len(runs[0].results)
    rows = {curve["row"] for curve in runs[0].content["curves"]}
    assert {row.replace(",", " ").split()[0] for row in rows} == {"ddoq", "random"}
    assert runs[0].content["map"]["of"] > 100
    assert runs[0].answer.headline[0].startswith("The set ddoq (root, dit")


@pytest.mark.slow
def test_the_saved_recipe_repeats_the_run(finished: Path) -> None:
    saved = recipe.read([f"recipe={finished / 'out' / 'recipe.yaml'}"]).recipe
    typed = recipe.read(QUICK).recipe
    assert saved == typed


@pytest.mark.slow
def test_two_ranks_make_the_same_points_masses_and_images(
    run_fit: RunFit, finished: Path, tmp_path: Path
) -> None:
    run_fit(f"out={tmp_path / 'out'}", f"cache={tmp_path / 'cache'}", *TWO_RANKS, cwd=tmp_path)
    assert hashes(tmp_path / "cache") == hashes(finished / "cache") != {}
    one, two = (read_results(f / "out") for f in (finished, tmp_path))
    assert len(one) == len(two)
    means = [sum(r.top1 for r in results) / len(results) for results in (one, two)]
    assert means[0] == pytest.approx(means[1], abs=0.06)


@pytest.mark.slow
def test_torchrun_makes_the_same_set(run_fit: RunFit, finished: Path, tmp_path: Path) -> None:
    launcher = (
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "-m",
        "ddoq.fit",
    )
    extra = ["evaluation.seeds=1", "evaluation.baselines=[]", "evaluation.decoders=[]"]
    places = [f"out={tmp_path / 'out'}", f"cache={tmp_path / 'cache'}"]
    run_fit(*extra, *places, cwd=tmp_path, launcher=launcher)
    made = hashes(tmp_path / "cache")
    assert made
    assert made.items() <= hashes(finished / "cache").items()


@pytest.mark.slow
def test_two_ranks_go_on_where_only_the_weights_are_other(
    run_fit: RunFit, finished: Path, tmp_path: Path
) -> None:
    only = ["evaluation.seeds=1", "evaluation.baselines=[]", "evaluation.decoders=[]"]
    places = [f"out={tmp_path / 'out'}", f"cache={finished / 'cache'}"]
    run_fit(*TWO_RANKS, *only, *places, "weighting=mass", cwd=tmp_path)
    assert [r.weighting for r in read_results(tmp_path / "out")] == ["mass"]


@pytest.mark.slow
def test_a_stop_takes_the_workers_down_and_the_next_call_goes_on(
    run_fit: RunFit, finished: Path, tmp_path: Path
) -> None:
    places = [f"out={tmp_path / 'out'}", f"cache={tmp_path / 'cache'}", "evaluation.workers=2"]
    stopped(places, tmp_path, 1, signal.SIGTERM, 143)
    stopped(places, tmp_path, 3, signal.SIGINT, 130)
    so_far = read_results(tmp_path / "out", UNFINISHED)
    run_fit(*places, cwd=tmp_path)
    assert not (tmp_path / "out" / UNFINISHED).exists()
    again, first = (read_results(f / "out") for f in (tmp_path, finished))
    assert [r.top1 for r in again] == [r.top1 for r in first]
    assert 3 <= len(so_far) < len(first)
    assert {(r.row, r.seed, r.top1) for r in so_far} <= {(r.row, r.seed, r.top1) for r in again}


def stopped(places: list[str], tmp_path: Path, number: int, stop: signal.Signals, code: int):
    """Stop a run when its cache holds so many trainings, and see its workers end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ddoq.fit", *QUICK, *places],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "cache" / "training").glob("[0-9a-f]*"))) < number:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(stop)
    assert process.wait(timeout=60) == code
    time.sleep(2)
    assert not [c for c in children if Path(f"/proc/{c}").exists()]


@pytest.mark.slow
def test_an_error_while_the_report_is_written_leaves_all_results(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no page today")

    monkeypatch.setattr("ddoq.experiment.write_report", fails)
    places = [f"out={tmp_path / 'out'}", f"cache={finished / 'cache'}"]
    with pytest.raises(RuntimeError, match="no page today"):
        experiment(recipe.read([*QUICK, *places]))
    assert read_results(tmp_path / "out", UNFINISHED) == read_results(finished / "out")


@pytest.mark.slow
def test_a_dry_run_says_what_is_cached_and_runs_nothing(
    run_fit: RunFit, finished: Path, tmp_path: Path
) -> None:
    shown = run_fit(f"cache={finished / 'cache'}", "dry_run=true", cwd=tmp_path)
    assert "to do" not in shown
    assert "cached" in shown
    fresh = run_fit(f"cache={tmp_path / 'cache'}", "dry_run=true", cwd=tmp_path)
    assert "encode 1132 images" in fresh
    assert not list((tmp_path / "cache").rglob("manifest.json"))


_LOADED = """
import sys
from ddoq import fit
fit.main(sys.argv[1:])
heavy = {"lightning", "torchvision", "timm", "diffusers", "torchmetrics", "sklearn", "matplotlib"}
print("loaded:", *sorted(heavy & {*sys.modules}))
"""


@pytest.mark.slow
def test_a_finished_run_loads_what_it_needs(
    run_fit: RunFit, finished: Path, tmp_path: Path
) -> None:
    again = f"out={tmp_path / 'out'}", f"cache={finished / 'cache'}"
    shown = run_fit(*again, cwd=tmp_path, launcher=(sys.executable, "-c", _LOADED))
    # The page's plots are drawn anew.
    assert shown.splitlines()[-1] == "loaded: matplotlib"


def test_a_students_own_class_is_plugged_in_from_a_scratch_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mynets.py").write_text(
        "import torch\n\n\n"
        "class WideNet(torch.nn.Sequential):\n"
        "    def __init__(self, num_classes: int, width: int = 4):\n"
        "        super().__init__(torch.nn.Flatten(), torch.nn.LazyLinear(16 * width),\n"
        "                         torch.nn.ReLU(), torch.nn.Linear(16 * width, num_classes))\n"
        "        self(torch.zeros(1, 1, 8, 8))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    student = "student=[{name: mynets:WideNet, width: 8}]"
    only = ["evaluation.seeds=1", "evaluation.baselines=[]", "evaluation.decoders=[]"]
    wanted = recipe.read([*QUICK, student, "decoder=plain", *only, f"out={tmp_path / 'out'}"])
    [result] = read_results(experiment(wanted).folder)
    assert result.student == "mynets:WideNet"
    assert result.top1 > 0.5


def test_a_change_of_a_students_source_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ddoq.run import Run

    monkeypatch.syspath_prepend(str(tmp_path))
    source = tmp_path / "othernets.py"
    source.write_text("import torch\n\n\nclass Net(torch.nn.Module):\n    pass\n")
    run = Run(recipe.read(["recipe=digits", "student=othernets:Net"]).recipe)
    before = run.key("student", run.recipe.students[0])
    source.write_text(source.read_text() + "    width = 3\n")
    assert run.key("student", run.recipe.students[0]) != before


def test_the_same_set_is_trained_on_once_at_one_image_per_class() -> None:
    root, uniform, mass = (
        ddoq.distill("digits", "decoder=plain", "distiller.images_per_class=1", f"weighting={w}")
        for w in ("root", "uniform", "mass")
    )
    assert root.fingerprint == uniform.fingerprint == mass.fingerprint


def test_an_image_size_other_than_the_protocols_is_refused() -> None:
    small = ddoq.distill("digits", "decoder=plain")
    with pytest.raises(UsageError, match="trains at 224 pixels"):
        ddoq.evaluate(small, protocol="fkd", students=[{"name": "convnet", "depth": 2}], seeds=1)
