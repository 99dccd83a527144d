"""Does memory that was freed serve the next tensor?"""

import subprocess
import sys

import pytest

from ddoq.processes.memory import keep_freed

_COUNT = """
import ctypes, resource, sys
from ddoq.processes.memory import keep_freed
if sys.argv[1] == "keep":
    assert keep_freed()
libc, size = ctypes.CDLL(None), 30 * 2**20
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    blocks = [libc.malloc(size) for _ in range(6)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    for block in reversed(blocks):
        libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def counted(environment: dict[str, str], how: str) -> int:
    """Return how often a process had to ask for pages while it used 180 megabytes 20 times."""
    command = [sys.executable, "-c", _COUNT, how]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not keep_freed(), reason="only glibc can be told")
def test_pages_are_asked_for_once(environment: dict[str, str]) -> None:
    kept, given_back = (counted(environment, how) for how in ("keep", "leave"))
    pages = 180 * 2**20 // 4096
    assert kept < 2 * pages < 10 * pages < given_back


_PEAKS = """
import torch
from ddoq.processes.memory import peak_mb, reset_peak
cpu = torch.device("cpu")
torch.ones(2**26)
before = peak_mb(cpu)
reset_peak(cpu)
small = peak_mb(cpu)
torch.ones(2**25)
print(before - small, peak_mb(cpu) - small)
"""


def test_a_peak_is_that_of_what_came_after_the_reset():
    shown = subprocess.run([sys.executable, "-c", _PEAKS], capture_output=True, check=True).stdout
    fallen, risen = map(float, shown.split())
    assert 200 < fallen < 400
    assert 100 < risen < 200
