"""Inversion: from a clean sample along the probability-flow ODE back to a noisy one."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from ddoq.decoders.sampling import Predict
from ddoq.priors.schedule import Schedule, as_number


class Inverted(NamedTuple):
    """A noisy sample as the clean sample and the noise that it is made of at its level."""

    clean: Float[Tensor, "n ..."]
    noise: Float[Tensor, "n ..."]


def inverted(
    x: Float[Tensor, "n ..."],
    times: Shaped[Tensor, " times"],
    predict: Predict,
    schedule: Schedule,
) -> Inverted:
    """Return what clean samples come from at the first, and noisiest, of falling times.

    Each step is that of diffusers' DDIMInverseScheduler (Dhariwal and Nichol 2021, Song et al.
    2021), for any prediction: the noise is read at the time that the step leads to. Its error falls
    in proportion to the steps.
    """
    level = schedule.clean_level
    clean, noise = x, torch.zeros_like(x)
    x = level.clean * x
    for time in times.flip(0).unique_consecutive():
        following = schedule.level(as_number(time))
        reading = schedule.reading(as_number(time))
        output = predict(x, time, 0.0)
        noise = (x - following.clean * (reading.x * x + reading.out * output)) / following.noise
        clean = (x - level.noise * noise) / level.clean
        x = following.clean * clean + following.noise * noise
        level = following
    return Inverted(clean, noise)
