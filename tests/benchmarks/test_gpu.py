import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("benchmarks", reason="benchmarks are not in the sdist")

from benchmarks.gpu.part import Options as Part
from benchmarks.gpu.program import Options, lost, run
from benchmarks.gpu.table import PARTS, Entry
from benchmarks.gpu.watched import watch
from ddoq.errors import UsageError

# Modules that stand in for parts, by name.
STAND_INS = {
    "fine": """
def main(asked):
    asked.note({"rate": 2.0, "nothing": float("nan")})
    asked.note({"rate": 3.0})
    with asked.leaving("left.txt") as temporary:
        temporary.write_text("whole")
""",
    "broken": """
def main(asked):
    asked.note({"before": 1})
    raise ValueError("the reason")
""",
    "hanging": """
import os, time
def main(asked):
    asked.note({"pid": os.getpid()})
    with asked.leaving("half.txt") as temporary:
        temporary.write_text("half")
        time.sleep(100)
""",
    "last": """
import json
def main(asked):
    parts = json.loads((asked.out / "results.json").read_text())["parts"]
    asked.note({"seen": {name: part["state"] for name, part in parts.items()}})
""",
}
TABLE = {name: Entry(f"stand_in_{name}", 60, name) for name in STAND_INS}
# As many as it takes to import torch; three times as many on a machine without a GPU.
TABLE["hanging"] = Entry("stand_in_hanging", 5, "hanging")


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stand_ins")
    for name, source in STAND_INS.items():
        (folder / f"stand_in_{name}.py").write_text(source)
    return folder


def results_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "results.json").read_text())


@pytest.fixture(scope="module")
def out(stand_ins: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run all of them; the folder that is left."""
    out = tmp_path_factory.mktemp("gpu") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(stand_ins), prepend=os.pathsep)
        assert not run(Options(out=out, parts=tuple(TABLE)), TABLE)
    return out


def test_a_part_that_fails_says_why_and_keeps_none_from_its_turn(out: Path):
    states = {name: part["state"] for name, part in results_of(out)["parts"].items()}
    expected = {"fine": "done", "broken": "failed", "hanging": "cut off", "last": "done"}
    assert states == expected
    broken = results_of(out)["parts"]["broken"]
    assert "ValueError: the reason" in broken["reason"]
    assert broken["figures"] == {"before": 1}


def test_a_part_that_is_cut_off_leaves_what_it_had_noted_and_no_half_file(out: Path):
    assert results_of(out)["parts"]["hanging"]["figures"]["pid"] > 0
    assert {file.name for file in out.iterdir()} == {"results.json", "log.txt", "left.txt"}


def test_results_are_written_after_each_part(out: Path):
    seen = results_of(out)["parts"]["last"]["figures"]["seen"]
    expected = {"fine": "done", "broken": "failed", "hanging": "cut off", "last": "running"}
    assert seen == expected


def test_figures_are_replaced_by_name_and_plain(out: Path):
    assert results_of(out)["parts"]["fine"]["figures"] == {"rate": 3.0, "nothing": "nan"}


def test_the_log_says_first_what_will_be_done(out: Path):
    log = (out / "log.txt").read_text()
    assert log.index("3. hanging, at most 5 s") < log.index("== machine") < log.index("== fine")


def test_parts_for_which_no_time_is_left_are_skipped(tmp_path: Path):
    start = time.monotonic()
    assert not run(Options(out=tmp_path / "out", minutes=0.2, parts=("last",)), TABLE)
    assert time.monotonic() - start < 0.2 * 60
    last = results_of(tmp_path / "out")["parts"]["last"]
    assert (last["state"], last["reason"]) == ("skipped", "no time left")


def test_a_killed_program_leaves_what_was_noted_and_takes_its_part_along(
    stand_ins: Path, tmp_path: Path, environment: dict[str, str]
):
    code = (
        "from pathlib import Path; from benchmarks.gpu.program import Options, run; "
        "from benchmarks.gpu.table import Entry; "
        f"run(Options(out=Path({str(tmp_path / 'out')!r}), parts=('hanging',)), "
        "{'hanging': Entry('stand_in_hanging', 100, 'hanging')})"
    )
    places = f"{stand_ins}{os.pathsep}{environment['PYTHONPATH']}"
    program = subprocess.Popen(
        [sys.executable, "-c", code], env={**environment, "PYTHONPATH": places}
    )
    file = tmp_path / "out" / "results.json"
    wait_for(lambda: file.exists() and "pid" in hanging(file)["figures"])
    program.kill()
    program.wait()
    assert hanging(file)["state"] == "running"
    wait_for(lambda: not Path("/proc", str(hanging(file)["figures"]["pid"])).exists())


def hanging(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text())["parts"]["hanging"]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_who_ignores_the_first_signal_is_killed_with_what_he_started(tmp_path: Path):
    script = f"trap '' TERM; sleep 100 & echo $! > {tmp_path / 'pid'}; wait; sleep 100"
    with (tmp_path / "log").open("wb") as log:
        settings = {"output": log, "environment": dict(os.environ), "look": lambda: None}
        ended = watch(["bash", "-c", script], seconds=1, grace=0.5, **settings)
    assert (ended.was_cut_off, ended.code) == (True, -signal.SIGKILL)
    assert 1.5 <= ended.seconds < 5
    pid = (tmp_path / "pid").read_text().strip()
    wait_for(lambda: not Path("/proc", pid).exists() or "Z (" in state_of(pid), 5)


def state_of(pid: str) -> str:
    return Path("/proc", pid, "status").read_text()


def test_unknown_parts_and_used_folders_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="no part 'nothing'"):
        run(Options(out=tmp_path, parts=("nothing",)))
    (tmp_path / "results.json").touch()
    with pytest.raises(UsageError, match="another call"):
        Options(out=tmp_path)


def test_what_would_not_come_back_is_said(tmp_path: Path):
    part = Part("a", "b", out=tmp_path, work=tmp_path, until=0.0)
    with pytest.raises(UsageError, match="would not come back"), part.leaving("a b.txt"):
        pass
    for number in range(9):
        with part.leaving(f"{number}.bin") as temporary:
            temporary.touch()
    os.truncate(tmp_path / "0.bin", 2**24 + 1)
    assert lost(tmp_path) == ["0.bin is larger than 16 MiB", "there are 9 files, more than 8"]


@pytest.mark.slow
def test_the_quantizer_and_dit_run_at_a_hundredth_of_their_size(tmp_path: Path):
    assert run(Options(out=tmp_path / "out", parts=("quantizer", "dit"), scale=0.01), PARTS)
    parts = results_of(tmp_path / "out")["parts"]
    assert [r["classes"] for r in parts["quantizer"]["figures"]["runs"]] == [10, 10]
    settings = parts["dit"]["figures"]["settings"]
    assert all(row["finite"] for row in settings if "skipped" not in row)
    assert sum("skipped" in row for row in settings) == 1
