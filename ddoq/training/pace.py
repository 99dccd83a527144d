"""How long a training step takes, from a few of them."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_TIMED = 3


def seconds_of_step(loss: Callable[[], Tensor], optimizer: Any, dtype: str = "float32") -> float:
    """Return the median seconds of a step: the loss, its gradients, and the optimizer's move.

    One step before them is not counted.
    """
    device = optimizer.param_groups[0]["params"][0].device.type

    def step(number: int) -> None:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=dtype != "float32"):
            value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    return median_seconds(step, device)


def median_seconds(step: Callable[[int], Any], device: str) -> float:
    """Return the median seconds of some steps, by their numbers. The first is not counted."""
    seconds: list[float] = []
    for number in range(1 + _TIMED):
        start = time.perf_counter()
        step(number)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds[1:])[_TIMED // 2]
