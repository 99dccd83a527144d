"""Memory of this process: freed memory is kept for the next tensor, and peaks are measured.

glibc returns large blocks to the system when they are freed, and the next tensor of the same size
pays for every page again. On a CPU this is up to half of the time of a small network's training.
"""

import contextlib
import ctypes
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Parameter numbers of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# The largest block that glibc takes from its heap, and how much of the heap it may keep.
_LARGEST_BLOCK = 32 * 2**20
_KEPT = 512 * 2**20


def keep_freed() -> bool:
    """Keep up to half a gigabyte of freed memory in this process. Say whether this is possible."""
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK) and mallopt(_TRIM_THRESHOLD, _KEPT))


def reset_peak(device: "torch.device") -> None:
    """Start to record the peak memory from now on."""
    if device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(device)
    else:
        # Only Linux can reset the peak. Elsewhere it is that of the process's whole life.
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def peak_mb(device: "torch.device") -> float:
    """Return the peak memory since `reset_peak`: the GPU's or, on a CPU, the process's."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**20
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        if found:
            return int(found[1]) / 2**10
    return largest_mb()


def largest_mb() -> float:
    """Return the largest resident memory that this process has had."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
