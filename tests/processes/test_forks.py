import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ddoq.errors import DataError, ResourceError
from ddoq.processes import stop
from ddoq.processes.forks import cores, side_by_side

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks safely")


def identify(number: int) -> tuple[int, int, int]:
    return number, os.getpid(), torch.get_num_threads()


def test_one_process_is_this_one_and_keeps_the_order():
    assert [(n, p) for n, p, _ in side_by_side(identify, [3, 1, 2], processes=1)] == [
        (n, os.getpid()) for n in (3, 1, 2)
    ]


@linux
def test_forks_do_every_item_once_on_one_thread_each():
    done = list(side_by_side(identify, range(20), processes=2))
    assert sorted(n for n, _, _ in done) == list(range(20))
    assert os.getpid() not in {p for _, p, _ in done}
    assert {threads for _, _, threads in done} == {1}


@linux
def test_what_is_in_memory_need_not_be_sent():
    large = torch.arange(10.0)
    work = lambda i: float(large[i] * 2)  # noqa: E731  A lambda cannot be pickled.
    assert sorted(side_by_side(work, range(10), processes=2)) == [2.0 * i for i in range(10)]


@linux
def test_no_process_is_left_when_it_is_done():
    pids = {pid for _, pid, _ in side_by_side(identify, range(4), processes=2)}
    assert not any(is_alive(pid) for pid in pids)


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that only waits to be reaped does not."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        if state == "Z":
            return False
        time.sleep(0.05)
    return True


@linux
def test_an_error_comes_back_with_its_remedy():
    def fail(number: int) -> int:
        raise DataError(f"item {number} is bad", "mend it")

    with pytest.raises(DataError, match="item 0 is bad") as error:
        list(side_by_side(fail, [0], processes=1))
    with pytest.raises(DataError, match=r"item \d is bad") as error:
        list(side_by_side(fail, range(2), processes=2))
    assert error.value.remedy == "mend it"


@linux
def test_a_process_that_is_killed_is_an_error_and_no_hang():
    def die(number: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ResourceError, match="a worker process died"):
        list(side_by_side(die, range(4), processes=2))


@linux
def test_processes_have_time_to_save_their_state_when_the_others_end(tmp_path: Path):
    def work(number: int) -> None:
        if number:
            stop.install()
            (tmp_path / "began").touch()
            try:
                time.sleep(60)
            except stop.Stopped:
                (tmp_path / "saved").touch()
        while not (tmp_path / "began").exists():
            time.sleep(0.01)
        raise DataError("item 0 is bad", "leave it out")

    with pytest.raises(DataError):
        list(side_by_side(work, range(2), processes=2))
    assert (tmp_path / "saved").exists()


ORPHANS = """
import os, sys, time
from ddoq.processes.forks import side_by_side

def wait(_):
    with open(sys.argv[1], "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(60)

list(side_by_side(wait, range(2), processes=2))
"""


@linux
def test_forks_end_with_a_parent_that_is_killed(tmp_path: Path):
    pids = tmp_path / "pids"
    parent = subprocess.Popen([sys.executable, "-c", ORPHANS, str(pids)])
    try:
        while not pids.exists() or len(pids.read_text().split()) < 2:
            assert parent.poll() is None
            time.sleep(0.05)
    finally:
        parent.kill()
        parent.wait()
    assert not any(is_alive(int(pid)) for pid in pids.read_text().split())


THREADS = """
import numpy as np, torch
from threadpoolctl import threadpool_info
from ddoq.processes.forks import side_by_side

torch.set_num_threads(2)
matrix = torch.randn(600, 600)
before = matrix @ matrix, matrix.numpy() @ matrix.numpy().T

def again(_):
    blas = [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]
    torch.testing.assert_close(matrix @ matrix, before[0])
    np.testing.assert_allclose(matrix.numpy() @ matrix.numpy().T, before[1], rtol=1e-3, atol=1e-3)
    return torch.get_num_threads(), *blas

print([set(found) for found in side_by_side(again, range(4), processes=2)])
print(torch.get_num_threads())
"""


@linux
def test_forks_of_a_process_with_busy_threads_compute_on_one_each(environment: dict[str, str]):
    del environment["OMP_NUM_THREADS"]
    command = [sys.executable, "-c", THREADS]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split("\n")[:2] == ["[{1}, {1}, {1}, {1}]", "2"], done.stderr


def test_there_is_a_core():
    assert 1 <= cores() <= (os.cpu_count() or 1)
