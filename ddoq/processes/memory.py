"""May freed memory be kept for the next tensor?

glibc gives large blocks back to the system when they are freed, and the next tensor of the same
size pays for every page anew: on a CPU up to half of the time of a small network's training.
"""

import ctypes
import platform

# Numbers of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# The largest block that glibc takes from its heap, and what it may keep of the heap.
_LARGEST_BLOCK = 32 * 2**20
_KEPT = 512 * 2**20


def keep_freed() -> bool:
    """Keep up to half a gigabyte of freed memory in this process; say whether that is possible."""
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK) and mallopt(_TRIM_THRESHOLD, _KEPT))
