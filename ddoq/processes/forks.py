"""Work in several processes of this machine.

`finished` waits for the jobs of any pool and leaves no process behind. `side_by_side` does small
jobs in forked processes of one thread each. Many small operations gain more from this than from
threads, and what is mapped or in memory need not be sent.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import torch
from threadpoolctl import threadpool_limits

from ddoq.errors import ResourceError

T = TypeVar("T")
R = TypeVar("R")

# The seconds that a process has to save its state, when the others end.
_SAVING_SECONDS = 10.0

# A number of prctl(2).
_DEATH_SIGNAL = 1

# The job of a forked process. It is set only there.
_job: Callable[[int], Any] | None = None


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def follow(parent: int) -> None:
    """End this process soon after its parent ends."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(143)

    threading.Thread(target=watch, daemon=True).start()


def finished(
    pool: ProcessPoolExecutor, jobs: Callable[[], Iterable["Future[R]"]], *, remedy: str
) -> Generator[R]:
    """Start jobs, yield their results as they come, and end the pool's processes.

    On an error or an interrupt the queue is dropped, and the processes get SIGTERM, which lets a
    training save its state, and then SIGKILL. What they write must withstand this.
    """
    before = set(multiprocessing.active_children())
    seconds = _SAVING_SECONDS
    try:
        for done in as_completed(jobs()):
            yield done.result()
        seconds = 0.0
    except BrokenProcessPool as error:
        raise ResourceError("a worker process died, perhaps for lack of memory", remedy) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        _end(set(multiprocessing.active_children()) - before, seconds)


def _end(processes: Iterable[BaseProcess], seconds: float) -> None:
    """End processes. They first have some seconds to end by themselves."""
    until = time.monotonic() + seconds
    for process in processes if seconds else ():
        process.terminate()
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        process.kill()


def side_by_side(work: Callable[[T], R], items: Sequence[T], *, processes: int) -> Generator[R]:
    """Yield what `work` returns for each item, in any order.

    With more than one process, the work is done in forks of this one, on one thread each. It must
    not use a GPU and must return what can be pickled; its changes to memory are lost. Systems that
    cannot fork safely take one item after another.
    """
    processes = min(processes, len(items))
    if processes < 2 or sys.platform != "linux":
        yield from map(work, items)
        return

    def job(number: int) -> R:
        return work(items[number])

    # A fork inherits these as they are.
    fork = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(processes, fork, _begin, (os.getpid(), job))
    remedy = "run it again with threads=1; what is finished is kept"
    yield from finished(pool, lambda: _submit(pool, len(items)), remedy=remedy)


def _submit(pool: ProcessPoolExecutor, number: int) -> list["Future[Any]"]:
    with warnings.catch_warnings():
        # Threads of torch and of a progress bar exist only in the parent. Nothing that a child does
        # waits for them.
        warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
        return [pool.submit(_do, i) for i in range(number)]


def _begin(parent: int, job: Callable[[int], Any]) -> None:
    """Use one thread, leave signals and the terminal to the parent, and end with it."""
    global _job
    _job = job
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(143)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # A live progress bar replaces the streams by ones with locks, which may be held at the fork.
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    torch.set_num_threads(1)
    threadpool_limits(1)


def _do(number: int) -> Any:
    assert _job is not None
    return _job(number)
