"""The loop that a prior draws by: over a scheduler's times, with or without a guide."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from ddoq.errors import UsageError
from ddoq.guides.guide import Guide, Targets
from ddoq.priors.schedule import Level, Schedule
from ddoq.priors.schedulers import UNSHRUNK
from ddoq.recipe.plugin import blamed, expect_tensor

# From a network's input, its time and the share of the way from noise to image to the output.
Predict = Callable[[Tensor, Tensor, float], Tensor]

# A share of the image that is rounding alone.
_NOTHING = 1e-5


@dataclass(frozen=True)
class Sampler:
    """A scheduler with its times set, beginning at one of its steps."""

    schedule: Schedule
    scheduler: Any
    first: int
    """The index of the first time."""

    @classmethod
    def of(cls, schedule: Schedule, name: str | None, *, steps: int, first: int = 0) -> "Sampler":
        """Return a sampler that begins at step number `first`."""
        scheduler = schedule.scheduler(name)
        trained = schedule.config.get("num_train_timesteps", steps)
        if schedule.family != "edm" and steps > trained:
            raise UsageError(
                f"decoder.steps={steps}, but the prior was trained with {trained} times",
                f"give at most {trained} steps",
            )
        scheduler.set_timesteps(steps)
        _refuse_equal_levels(scheduler, steps)
        number = len(scheduler.timesteps)
        index = first * scheduler.order if first < steps else number
        if index < number and hasattr(scheduler, "set_begin_index"):
            # Otherwise it looks for the time, and of two that were rounded to one takes the second.
            scheduler.set_begin_index(index)
        sampler = cls(schedule, scheduler, index)
        sampler._refuse_silence()
        return sampler

    @property
    def times(self) -> Shaped[Tensor, " times"]:
        """The times that remain. There are none if nothing is left to do."""
        return self.scheduler.timesteps[self.first :]

    def level(self, number: int) -> Level:
        """Return the level of what the network sees at a remaining time.

        Some schedulers round their times, but not their sigmas.
        """
        sigmas = getattr(self.scheduler, "sigmas", None)
        if sigmas is None:
            return self.schedule.level(float(self.times[number]))
        return self.schedule.level_of(float(sigmas[self.first + number]))

    def holding(self, level: Level) -> float:
        """Return the factor by which the scheduler holds larger samples than the network sees."""
        name = type(self.scheduler).__name__
        return 1 / level.clean if self.schedule.family == "edm" or name in UNSHRUNK else 1.0

    def noised(
        self, clean: Float[Tensor, "n ..."], noise: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        """Return samples as noisy as the first time asks for, as the scheduler holds them."""
        at = self.level(0)
        return self.holding(at) * (at.clean * clean + at.noise * noise)

    def share(self, number: int) -> float:
        """Return the share of the way from pure noise to images at a remaining time."""
        return (self.first + number) / len(self.scheduler.timesteps)

    def done(self, number: int) -> float:
        """Return the share of the remaining way that lies before a remaining time."""
        return number / len(self.times)

    def input(self, x: Float[Tensor, "n ..."], time: Tensor) -> Float[Tensor, "n ..."]:
        """Return what the network sees of samples that the scheduler holds.

        Schedulers of flows do not scale them.
        """
        scale = getattr(self.scheduler, "scale_model_input", None)
        return x if scale is None else scale(x, time)

    def run(
        self,
        x: Float[Tensor, "n ..."],
        predict: Predict,
        *,
        guide: Guide | None = None,
        targets: Targets | None = None,
        generators: list[torch.Generator] | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Take noisy samples, in the scheduler's own scale, to clean ones."""
        draws = "generator" in inspect.signature(self.scheduler.step).parameters
        random: dict[str, Any] = {"generator": generators} if draws else {}
        for number, time in enumerate(self.times):
            scaled, share = self.input(x, time), self.share(number)
            output = predict(scaled, time, share)
            if guide is not None and targets is not None:
                output = self._guided(guide, targets, scaled, output, number)
            x = self.scheduler.step(output, time, x, **random).prev_sample
        return x

    def _refuse_silence(self) -> None:
        """Refuse to begin where the predicted noise says nothing about an image."""
        # DDIM and DDPM would divide by the share of the image, which is 0 there.
        divides = type(self.scheduler).__name__ in ("DDIMScheduler", "DDPMScheduler")
        if not (divides and self.schedule.predicts == "epsilon" and len(self.times)):
            return
        if self.level(0).clean < _NOTHING:
            raise UsageError(
                "the prior predicts noise, and the first time is pure noise, where that says "
                "nothing about an image",
                "give decoder.scheduler=dpm, or begin later (decoder.start=renoise)",
            )

    def _guided(
        self,
        guide: Guide,
        targets: Targets,
        scaled: Tensor,
        output: Tensor,
        number: int,
    ) -> Tensor:
        """Change the output so that it says what the guide makes of its clean samples."""
        reading = self.schedule.reading(self.level(number))
        clean = reading.x * scaled + reading.out * output
        with blamed():
            found = guide(clean, targets, self.done(number))
        expect_tensor(found, tuple(clean.shape), guide, "the guide")
        # A guide that changes nothing leaves the output exactly as it is.
        return output + (found - clean) / reading.out


def _refuse_equal_levels(scheduler: Any, steps: int) -> None:
    """Refuse two steps at one noise level, by whose distance a multistep solver divides."""
    is_multistep = hasattr(scheduler, "model_outputs")
    if is_multistep and len(set(scheduler.sigmas.tolist())) < len(scheduler.sigmas):
        raise UsageError(
            f"decoder.steps={steps} are too many for {type(scheduler).__name__}: two of its "
            "times are rounded to one",
            "give fewer steps (20 do for such a solver), or decoder.scheduler=euler",
        )
