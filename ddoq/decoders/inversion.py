"""Inversion: from a clean sample along the probability-flow ODE back to a noisy one."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.decoders.sampling import Predict, Sampler


class Inverted(NamedTuple):
    """A noisy sample as the clean sample and the noise that it is made of at its level."""

    clean: Float[Tensor, "n ..."]
    noise: Float[Tensor, "n ..."]


def inverted(x: Float[Tensor, "n ..."], sampler: Sampler, predict: Predict) -> Inverted:
    """Return what clean samples come from at a sampler's first, and noisiest, time.

    The network is asked at the time that a step leads to. A flow's step is Euler's, along the
    velocity itself. All others go to that time by the noise that is read there (Dhariwal and Nichol
    2021, Song et al. 2021); if the network predicts noise, that is diffusers'
    DDIMInverseScheduler, which for velocities reads the noise at the time that the step leaves. The
    error falls in proportion to the steps.
    """
    schedule, times = sampler.schedule, sampler.times
    level = schedule.clean_level
    clean, noise = x, torch.zeros_like(x)
    x = level.clean * x
    for number in range(len(times) - 1, -1, -1):
        time, following = times[number], sampler.level(number)
        if following == level:
            # Schedulers that call the network twice at a level name its time twice.
            continue
        output = predict(x, time, 0.0)
        if schedule.family == "flow":
            # At pure noise, the noise that is read there is the sample, whatever the output.
            clean, noise = x - level.noise * output, x + level.clean * output
        else:
            reading = schedule.reading(following)
            noise = (x - following.clean * (reading.x * x + reading.out * output)) / following.noise
            clean = (x - level.noise * noise) / level.clean
        x = following.clean * clean + following.noise * noise
        level = following
    return Inverted(clean, noise)
