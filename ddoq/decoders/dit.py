"""Points pushed through a diffusion transformer, then decoded: the paper's DiT track."""

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq import keyed
from ddoq.data.images import Images
from ddoq.decoders.blocks import Block
from ddoq.errors import UsageError
from ddoq.priors.dit import DiTPrior


class DiT:
    """Denoise each point under its class label, with classifier-free guidance.

    `start=renoise` noises the point to `strength` of the way and denoises from there, as D4M does;
    `start=direct` takes the point itself for pure noise. The paper does not say which it used.
    """

    def __init__(
        self,
        autoencoder: Any,
        prior: DiTPrior,
        images: Images,
        seed: int,
        *,
        steps: int = 50,
        guidance: float = 4.0,
        start: Literal["renoise", "direct"] = "renoise",
        strength: float = 0.7,
        scheduler: Literal["ddim", "dpm"] = "ddim",
        block: int = 16,
    ) -> None:
        if not 0 <= strength <= 1 or steps < 1:
            raise UsageError(
                f"decoder dit: strength={strength}, steps={steps}",
                "strength lies in [0, 1] and there is at least one step",
            )
        self.block = block
        self._autoencoder, self._prior = autoencoder, prior
        self._labels = prior.labels_of(images.class_ids)
        self._seed = keyed.seed_of("decode", seed)
        self._steps, self._guidance = steps, guidance
        self._strength = strength if start == "renoise" else None
        self._scheduler = scheduler

    def decode(self, block: Block) -> Float[Tensor, "block c h w"]:
        """Return the decoded, denoised image of each point."""
        device = self._prior.transformer.device
        scheduler = _make_scheduler(self._scheduler, self._prior.schedule)
        scheduler.set_timesteps(self._steps)
        x, times = self._begin(block, scheduler)
        x, labels = x.to(device), self._labels[block.labels].to(device)
        for time in times:
            inputs = scheduler.scale_model_input(x, time)
            noise = self._prior.guided_noise(inputs, time, labels, self._guidance)
            x = scheduler.step(noise, time, x).prev_sample
        return self._autoencoder.decode(x)

    def _begin(self, block: Block, scheduler: Any) -> tuple[Tensor, Tensor]:
        """Return what denoising starts from, and the times that remain."""
        if self._strength is None:
            return block.points, scheduler.timesteps
        first = self._steps - round(self._steps * self._strength)
        times = scheduler.timesteps[first:]
        if len(times) == 0:
            return block.points, times
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(first)
        noise = keyed.normal(self._seed, block.keys, tuple(block.points.shape[1:]))
        return scheduler.add_noise(block.points, noise, times[:1].expand(len(noise))), times


def _make_scheduler(name: str, schedule: dict[str, Any]) -> Any:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

    kinds = {"ddim": DDIMScheduler, "dpm": DPMSolverMultistepScheduler}
    return kinds[name].from_config(schedule)
