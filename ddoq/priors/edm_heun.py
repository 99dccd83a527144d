"""Heun's method for EDM priors (Karras et al. 2022, Algorithm 1), which diffusers does not have."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.priors import edm


class EDMHeun:
    """A scheduler with the methods of diffusers' own.

    A step calls the network at its level, then at the next one. The last step, to level 0, calls it
    once.
    """

    order = 2

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._range: dict[str, float] = {k: config[k] for k in ("sigma_min", "sigma_max", "rho")}
        self._data: float = config["sigma_data"]
        self.init_noise_sigma = config["sigma_max"]
        self._begin: int | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "EDMHeun":
        """Make a scheduler from a configuration of diffusers' EDMEulerScheduler."""
        return cls(config)

    def set_timesteps(self, num_inference_steps: int) -> None:
        """Choose the levels. All but the first and the last appear twice, once for each call."""
        levels = edm.levels(num_inference_steps, **self._range)
        inner = levels[1:-1].repeat_interleave(2)
        self._sigmas = torch.cat([levels[:1], inner, levels[-1:]]).tolist()
        self.timesteps = torch.tensor(self._sigmas[:-1]).log() / 4
        self._index = 0
        self._before: tuple[Tensor, Tensor] | None = None

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Begin at a later time."""
        self._index = begin_index

    def scale_model_input(self, sample: Tensor, timestep: Any = None) -> Tensor:
        """Scale noisy samples to unit variance."""
        return sample / (self._sigmas[self._index] ** 2 + self._data**2) ** 0.5

    def step(
        self, model_output: Float[Tensor, "n ..."], timestep: Any, sample: Float[Tensor, "n ..."]
    ) -> Any:
        """Move along the slope, or correct the last move by the mean of two slopes."""
        level = self._sigmas[self._index]
        total = level**2 + self._data**2
        scale = level * self._data / total**0.5
        slope = (sample - (self._data**2 / total * sample + scale * model_output)) / level
        if self._before is None:
            following = self._sigmas[self._index + 1]
            x = sample + (following - level) * slope
            self._before = (sample, slope) if following > 0 else None
        else:
            start, first = self._before
            came_from = self._sigmas[self._index - 1]
            x = start + (level - came_from) * (first + slope) / 2
            self._before = None
        self._index += 1
        return SimpleNamespace(prev_sample=x)
