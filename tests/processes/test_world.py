"""Do ranks agree, wait for each other, and end together? And is a second world refused?"""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ddoq.processes.world import World, launch

ROOT = Path(__file__).parents[2]

TWO_FITS = """
from ddoq.errors import UsageError
from ddoq.processes.world import launch

two = {"accelerator": "cpu", "devices": 2, "strategy": "ddp"}
world = launch(two)
assert world.gather(world.rank) == [0, 1]
assert world.broadcast(f"from {world.rank}") == "from 0"
assert world.share("abcde") == [list("ace"), list("bd")][world.rank]
assert launch(two) is world
try:
    launch({"accelerator": "cpu", "devices": 1})
except UsageError as error:
    print(f"rank {world.rank} refused: {error.cause[:30]}")
"""


@pytest.mark.slow
def test_two_fits_that_ask_for_different_worlds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "two_fits.py").write_text(TWO_FITS)
    done = subprocess.run(
        [sys.executable, "two_fits.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "rank 0 refused: this program runs as" in done.stdout
    assert "rank 1 refused: this program runs as" in done.stdout


def test_one_process_is_a_world_of_its_own() -> None:
    world = launch({})
    assert (world.rank, world.size, world.is_first) == (0, 1, True)
    assert World().gather("x") == ["x"]
    assert World().share([3, 4]) == [3, 4]


Start = Callable[[str], subprocess.Popen[str]]

TWO = """
import os, signal, sys, time, warnings
from datetime import timedelta
from pathlib import Path
from filelock import FileLock
import lightning
from torch.distributed import distributed_c10d
from ddoq import command
from ddoq.files.cache import Cache
from ddoq.errors import DataError
from ddoq.run.trainers import silence
from ddoq.processes.world import launch

def body(_):
    silence()
    warnings.simplefilter("ignore")
    world = launch({"accelerator": "cpu", "devices": 2, "strategy": "ddp"})
    # Collective calls give up after five seconds, instead of 30 minutes.
    distributed_c10d._set_pg_timeout(timedelta(seconds=5))
"""


@pytest.fixture
def two(tmp_path: Path):
    """Return what starts a program on two ranks, in a group of processes of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(body: str) -> subprocess.Popen[str]:
        program = TWO + textwrap.indent(textwrap.dedent(body), "    ") + "\ncommand.run(body)\n"
        (tmp_path / "two.py").write_text(program)
        process = subprocess.Popen(
            [sys.executable, "two.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if of_session(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def of_session(pid: int) -> list[int]:
    """Return the processes of a session that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rsplit(")", 1)[1].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += [int(stat.parent.name)] if int(session) == pid and state != "Z" else []
    return found


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait until nothing of a program is left; return its code and what it said."""
    _, said = process.communicate(timeout=60)
    until = time.monotonic() + 30
    while of_session(process.pid):
        assert time.monotonic() < until, "a process is left"
        time.sleep(0.1)
    return process.returncode, said


@pytest.mark.slow
def test_ranks_wait_for_the_first_longer_than_a_collective_call_would(two: Start):
    process = two("""
        if world.is_first:
            time.sleep(8)
        world.barrier()
        assert world.broadcast(world.rank) == 0
        if world.is_first:
            time.sleep(8)
        assert world.gather(world.rank) == [0, 1]
    """)
    assert end(process)[0] == 0


@pytest.mark.slow
def test_the_first_rank_does_not_leave_before_the_others_have_seen_it(two: Start):
    process = two("""
        from ddoq.processes import world as module
        module._FIRST_LOOK = module._LAST_LOOK = 0.1 if world.is_first else 3.0
        time.sleep(1 if world.is_first else 0)
        world.barrier()
    """)
    assert end(process) == (0, "")


@pytest.mark.slow
def test_ranks_wait_while_the_first_waits_for_a_lock(two: Start, tmp_path: Path):
    process = two("""
        cache = Cache(Path("cache"), world)
        final = cache.place("stage", {})
        if world.is_first:
            final.parent.mkdir(parents=True)
            import subprocess
            lock = final.with_name(f".{final.name}.lock")
            other = f"import filelock, time; filelock.FileLock({str(lock)!r}).acquire(); " \\
                "open('held', 'w'); time.sleep(8)"
            subprocess.Popen([sys.executable, "-c", other])
            while not Path("held").exists():
                time.sleep(0.01)
        cache.stage("stage", {}, lambda work: (work / f"of {world.rank}").touch())
    """)
    assert end(process)[0] == 0
    [manifest] = tmp_path.glob("cache/stage/*/manifest.json")
    assert sorted(f.name for f in manifest.parent.glob("of *")) == ["of 0", "of 1"]


@pytest.mark.slow
@pytest.mark.parametrize("waiting", ["time.sleep(600)", "dist.barrier()"])
def test_a_rank_that_was_killed_is_no_bug_but_ends_the_others(two: Start, waiting: str):
    process = two(f"""
        import torch.distributed as dist
        if not world.is_first:
            time.sleep(1)
            os.kill(os.getpid(), signal.SIGKILL)
        {waiting}
    """)
    assert end(process) == (
        4,
        "error: another rank ended\n  remedy: see its own message; then run it again\n",
    )


@pytest.mark.slow
def test_an_error_of_one_rank_is_the_code_of_all(two: Start):
    code, said = end(
        two("""
        if not world.is_first:
            raise DataError("a bad image", "leave it out")
        world.barrier()
    """)
    )
    assert code == 3
    assert said.startswith("error: a bad image\n  remedy: leave it out\nerror: another rank ended")


@pytest.mark.slow
def test_an_interrupted_rank_is_no_bug_of_another_that_was_in_a_training(two: Start):
    code, said = end(
        two("""
        # Lightning does so when an error ends a training.
        del os.environ["WORLD_SIZE"]
        if not world.is_first:
            os._exit(130)
        distributed_c10d.barrier()
    """)
    )
    assert code == 130
    assert said.startswith("stopped; run it again to go on")


@pytest.mark.slow
def test_nothing_is_left_of_a_program_whose_first_rank_was_killed(two: Start):
    process = two("""
        if world.is_first:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)
    """)
    assert end(process)[0] == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "target", "first"),
    [
        (signal.SIGTERM, 143, 0, "world.barrier()"),
        (signal.SIGTERM, 143, 1, "time.sleep(600)"),
        (signal.SIGTERM, 143, "group", "dist.barrier()"),
        (signal.SIGINT, 130, 0, "dist.barrier()"),
        (signal.SIGINT, 130, 1, "world.barrier()"),
        (signal.SIGINT, 130, "group", "time.sleep(600)"),
    ],
)
def test_a_signal_outside_of_trainings_ends_all_ranks(
    two: Start, tmp_path: Path, number: int, code: int, target: int | str, first: str
):
    # The first rank waits for the others or works; the other works.
    process = two(f"""
        import torch.distributed as dist
        Path(f"pid {{world.rank}}").write_text(str(os.getpid()))
        {first} if world.is_first else time.sleep(600)
    """)
    files = [tmp_path / f"pid {rank}" for rank in range(2)]
    while not all(f.exists() and f.read_text() for f in files):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)
    if isinstance(target, int):
        os.kill(int(files[target].read_text()), number)
    else:
        os.killpg(process.pid, number)
    # A rank that waits in a library cannot end in order.
    at_once = " at once" if first == "dist.barrier()" and target == 0 else ""
    assert end(process) == (code, f"stopped{at_once}; run it again to go on\n")
