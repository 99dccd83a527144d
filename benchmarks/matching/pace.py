"""Rounds of steps at the pace of another process, which asks for each by a line."""

import json
import os
import sys
import time
from typing import Any

import torch

from ddoq.processes.memory import largest_mb


class Pace:
    """Waits before each round until it is asked for, and tells its seconds."""

    def __init__(self, steps: int) -> None:
        self._steps, self._begun, self._before = steps, (0.0, 0.0), largest_mb()

    def at(self, step: int) -> None:
        """Come to the beginning of a step."""
        if step % self._steps:
            return
        if step:
            wall, cores = (now - then for now, then in zip(_now(), self._begun, strict=True))
            _tell({"seconds": wall, "of_cores": cores})
        if not sys.stdin.readline():
            sys.exit("the parent is gone")
        self._begun = _now()

    def end(self, number: int) -> None:
        """Come to the end of all steps; tell the largest memory before the first one and in all."""
        self.at(number)
        on_gpu = torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else 0.0
        _tell({"before_mb": self._before, "peak_mb": largest_mb(), "on_gpu_mb": on_gpu})


def _now() -> tuple[float, float]:
    """Return the time on the wall, and that of all cores in this process."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter(), time.process_time()


def _tell(what: dict[str, Any]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")
