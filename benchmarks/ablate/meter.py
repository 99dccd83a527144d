"""How long does something take, and how much memory does it add at its peak?"""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Cost:
    """What a piece of work took."""

    seconds: float
    peak_memory_mb: float | None
    """The most resident memory during the work less that before it; None where not on Linux."""


def metered(work: Callable[[], T]) -> tuple[T, Cost]:
    """Return the result of some work, and what it cost."""
    before = _reset_peak()
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    peak = None if before is None else _resident_mb("VmHWM") - before
    return result, Cost(seconds, peak)


def _reset_peak() -> float | None:
    """Let the peak of the resident memory begin at what is in use now; return that."""
    try:
        # Memory that was freed but kept by the allocator would hide what the work asks for.
        ctypes.CDLL(None).malloc_trim(0)
        _CLEAR.write_text("5")
    except (OSError, AttributeError, TypeError):
        return None
    return _resident_mb("VmRSS")


def _resident_mb(field: str) -> float:
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))
