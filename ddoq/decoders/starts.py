"""How a point enters a prior."""

from collections.abc import Callable
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from ddoq.decoders.inversion import inverted
from ddoq.decoders.sampling import Predict, Sampler

Start = Literal["renoise", "direct", "noise", "invert", "noisy"]

# From the points, their noise, a sampler and the network to the sampler's first noisy samples.
_Begin = Callable[[Tensor, Tensor, Sampler, Predict], Tensor]

# Starts that begin at a share of the way, and those that begin at pure noise.
PARTIAL: tuple[Start, ...] = ("renoise", "invert", "noisy")


def first_step(steps: int, strength: float) -> int:
    """Return the step at which denoising begins, cut off as in diffusers' pipelines.

    If the strength is too small for one step, the point stays as it is.
    """
    return steps - int(steps * strength)


def begin(
    start: Start,
    points: Float[Tensor, "n ..."],
    noise: Float[Tensor, "n ..."],
    sampler: Sampler,
    predict: Predict,
) -> Float[Tensor, "n ..."]:
    """Return the noisy samples that a sampler begins with."""
    if start in PARTIAL and len(sampler.times) == 0:
        return points
    return _STARTS[start](points, noise, sampler, predict)


def _renoise(points: Tensor, noise: Tensor, sampler: Sampler, predict: Predict) -> Tensor:
    return sampler.noised(points, noise)


def _direct(points: Tensor, noise: Tensor, sampler: Sampler, predict: Predict) -> Tensor:
    return points * getattr(sampler.scheduler, "init_noise_sigma", 1.0)


def _noise(points: Tensor, noise: Tensor, sampler: Sampler, predict: Predict) -> Tensor:
    return _direct(noise, noise, sampler, predict)


def _invert(points: Tensor, noise: Tensor, sampler: Sampler, predict: Predict) -> Tensor:
    found = inverted(points, sampler, predict)
    return sampler.noised(found.clean, found.noise)


def _noisy(points: Tensor, noise: Tensor, sampler: Sampler, predict: Predict) -> Tensor:
    return sampler.holding(sampler.level(0)) * points


_STARTS: dict[Start, _Begin] = {
    "renoise": _renoise,
    "direct": _direct,
    "noise": _noise,
    "invert": _invert,
    "noisy": _noisy,
}
