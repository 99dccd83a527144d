"""Samplers: the probability-flow ODE of a denoiser, integrated over falling noise levels."""

import math
from collections.abc import Callable
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor

# From noisy images and their noise level to clean images.
Denoise = Callable[[Tensor, float], Tensor]


def heun(
    denoise: Denoise, x: Float[Tensor, "n ..."], levels: Float[Tensor, " levels"]
) -> Float[Tensor, "n ..."]:
    """Integrate by Heun's method: Algorithm 1 of Karras et al. 2022.

    A step calls the denoiser twice; the last step, to level 0, calls it once.
    """
    for level, following in pairwise(levels.tolist()):
        slope = (x - denoise(x, level)) / level
        ahead = x + (following - level) * slope
        if following > 0:
            slope = (slope + (ahead - denoise(ahead, following)) / following) / 2
            ahead = x + (following - level) * slope
        x = ahead
    return x


def dpm(
    denoise: Denoise, x: Float[Tensor, "n ..."], levels: Float[Tensor, " levels"]
) -> Float[Tensor, "n ..."]:
    """Integrate by DPM-Solver++(2M): Algorithm 2 of Lu et al. 2022 with alpha = 1.

    Noise is only added, so their lambda is the negative logarithm of the level. A step calls the
    denoiser once. The first and the last step are of first order.
    """
    before: Tensor | None = None
    log_before = 0.0
    for level, following in pairwise(levels.tolist()):
        clean = denoise(x, level)
        if following == 0:
            return clean
        log_level, log_following = math.log(level), math.log(following)
        ahead = clean
        if before is not None:
            share = (log_level - log_following) / (2 * (log_before - log_level))
            ahead = (1 + share) * clean - share * before
        x = (following / level) * x + (1 - following / level) * ahead
        before, log_before = clean, log_level
    return x


INTEGRATORS = {"heun": heun, "dpm": dpm}
