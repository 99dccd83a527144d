"""The device of a part: where it is, waiting for it, the memory it has used."""

import time
from collections.abc import Callable

import torch

from ddoq.processes.memory import keep_freed
from ddoq.processes.world import World, launch
from ddoq.run.trainers import silence

GIB = 2**30


def world() -> World:
    """Begin as a run does: Lightning silent, freed memory kept, on the GPU where there is one."""
    silence()
    keep_freed()
    return launch({})


def wait(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that work takes on the device."""
    wait(device)
    start = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - start


def forget_peak(device: torch.device) -> None:
    """Measure the peak of the memory from now on, without what is only kept for later."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_gib(device: torch.device) -> float | None:
    """Return the largest memory of all tensors on a GPU at once; None on a CPU."""
    if device.type != "cuda":
        return None
    return round(torch.cuda.max_memory_allocated(device) / GIB, 2)
