"""From noise to images: the probability-flow ODE of a denoiser, integrated over falling levels."""

import math
from collections.abc import Callable
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor

# (noisy images, noise level) -> clean images.
Denoise = Callable[[Tensor, float], Tensor]


def heun(
    denoise: Denoise, x: Float[Tensor, "n ..."], levels: Float[Tensor, " levels"]
) -> Float[Tensor, "n ..."]:
    """Integrate by Heun's method: Algorithm 1 of Karras et al. 2022.

    A step asks the denoiser twice, the last one, to level 0, once.
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
    """Integrate by DPM-Solver++(2M): Algorithm 2 of Lu et al. 2022, for noise that is only added.

    With alpha = 1 their lambda is the negative logarithm of the level. A step asks the denoiser
    once; the first and the last are of first order.
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
