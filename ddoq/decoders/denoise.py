"""Denoising of points: its start, and the loop over a scheduler's steps."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq import keyed
from ddoq.errors import UsageError
from ddoq.quantize.blocks import PointBlock

# From latents and a time to the predicted noise.
PredictNoise = Callable[[Tensor, Tensor], Tensor]


def refuse_settings(*, steps: int, strength: float) -> None:
    """Refuse settings of a diffusion decoder that make no sense."""
    if not 0 <= strength <= 1 or steps < 1:
        raise UsageError(
            f"decoder: strength={strength}, steps={steps}",
            "strength lies in [0, 1] and there is at least one step",
        )


def denoise(
    block: PointBlock,
    predict: PredictNoise,
    scheduler: Any,
    *,
    steps: int,
    strength: float | None,
    seed: int,
    device: torch.device,
) -> Float[Tensor, "block ..."]:
    """Noise the points to `strength` of the way and denoise them from there.

    If `strength` is None, the points themselves are taken for pure noise. The noise of a point is a
    function of (seed, class, k). The scheduler's tables stay on the CPU.
    """
    scheduler.set_timesteps(steps)
    x, times = _begin(block, scheduler, steps=steps, strength=strength, seed=seed)
    x = x.to(device)
    for time in times:
        noise = predict(scheduler.scale_model_input(x, time), time)
        x = scheduler.step(noise, time, x).prev_sample
    return x


def _begin(
    block: PointBlock, scheduler: Any, *, steps: int, strength: float | None, seed: int
) -> tuple[Tensor, Tensor]:
    """Return the latents that denoising starts from, and the times that remain."""
    if strength is None:
        return block.points * scheduler.init_noise_sigma, scheduler.timesteps
    first = first_step(steps, strength) * scheduler.order
    times = scheduler.timesteps[first:]
    if len(times) == 0:
        return block.points, times
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    noise = as_noise(block, seed).points
    return scheduler.add_noise(block.points, noise, times[:1].expand(len(noise))), times


def first_step(steps: int, strength: float) -> int:
    """Return the step at which denoising begins, cut off as in diffusers' pipelines.

    If the strength is too small for one step, the point stays as it is.
    """
    return steps - int(steps * strength)


def as_noise(block: PointBlock, seed: int) -> PointBlock:
    """Replace each point by its noise, a function of (seed, class, k)."""
    shape = tuple(block.points.shape[1:])
    return replace(block, points=keyed.normal(keyed.seed_of("decode", seed), block.keys, shape))
