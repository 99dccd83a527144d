"""The noise schedule of a prior, and what its network's output says about clean samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from ddoq.errors import DataError
from ddoq.priors.schedulers import Family, family_of, make_scheduler

Predicts = Literal["epsilon", "v_prediction", "sample", "flow", "edm"]


class Level(NamedTuple):
    """How a network's input mixes clean samples and noise: `clean` x + `noise` e."""

    clean: float
    noise: float


class Reading(NamedTuple):
    """What a network's output says: the clean sample is `x` times its input + `out` times it."""

    x: float
    out: float


@dataclass(frozen=True)
class Schedule:
    """The configuration of the scheduler that a network was trained with.

    Every time has a level, and every output a reading, whatever the network predicts. So decoders
    know noise levels and clean samples only.
    """

    config: Mapping[str, Any]

    @property
    def family(self) -> Family:
        """The kind of schedule."""
        return family_of(self.config)

    @property
    def predicts(self) -> Predicts:
        """What the network predicts."""
        if self.family != "diffusion":
            return self.family
        kind = self.config.get("prediction_type", "epsilon")
        if kind not in ("epsilon", "v_prediction", "sample"):
            raise DataError(
                f"the prior's scheduler says that its network predicts {kind!r}",
                "give a network that predicts epsilon, v_prediction, sample or a flow",
            )
        return kind

    def scheduler(self, name: str | None = None) -> Any:
        """Return a new scheduler of a name, or the configuration's own."""
        return make_scheduler(self.config, name)

    def level(self, time: float) -> Level:
        """Return the level of a time, as a scheduler passes it to the network."""
        if self.family == "flow":
            return self.level_of(time / self.config.get("num_train_timesteps", 1000))
        if self.family == "edm":
            # Times are logarithms of sigma / 4.
            return self.level_of(float(np.exp(4 * time)))
        return self.level_of(float(np.interp(time, np.arange(len(self._ratios)), self._ratios)))

    def level_of(self, sigma: float) -> Level:
        """Return the level of a scheduler's sigma.

        It is the ratio of noise to clean sample; for flows, the share of noise.
        """
        if self.family == "flow":
            return Level(1 - sigma, sigma)
        # EDM's inputs are scaled to unit variance.
        data = self.config["sigma_data"] if self.family == "edm" else 1.0
        total = (sigma**2 + data**2) ** 0.5
        return Level(1 / total, sigma / total)

    @property
    def clean_level(self) -> Level:
        """The level without noise."""
        return Level(1 / self.config["sigma_data"] if self.family == "edm" else 1.0, 0.0)

    def reading(self, level: Level) -> Reading:
        """Return how the clean sample is read from the network's input and output at a level."""
        clean, noise = level
        match self.predicts:
            case "edm":
                data = self.config["sigma_data"]
                return Reading(clean * data**2, noise * data)
            case "epsilon":
                return Reading(1 / clean, -noise / clean)
            case "v_prediction":
                return Reading(clean, -noise)
            case "sample":
                return Reading(0.0, 1.0)
            case "flow":
                return Reading(1.0, -noise)

    @cached_property
    def _ratios(self) -> Any:
        """The ratio of noise to clean sample at every training time."""
        share = make_scheduler(self.config, "ddpm").alphas_cumprod.double().clamp_min(1e-12)
        return ((1 - share) / share).sqrt().numpy()
