"""A prior: a network, its noise schedule and its classes, whatever the network predicts."""

from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.data.images import Images
from ddoq.priors.conditions import Conditions, Inputs, doubled
from ddoq.priors.network import Network, guided
from ddoq.priors.schedule import Schedule
from ddoq.priors.space import SampleSpace

Dtype = Literal["float32", "bfloat16", "float16"]


class Prior:
    """A generative model that denoises pixels or latents under a class.

    A prior of your own is a class that derives from this one, loads a network and a schedule, and
    says what its conditions are.

    Args:
        network: From a noisy input, its time and the inputs of a class to the network's output.
        schedule: The configuration of the scheduler that the network was trained with.
        space: Whether it denoises pixels in [-1, 1] or the recipe's latents.
        shape: The shape of one sample, if the network has one of its own.
        guided_channels: Guide only the first channels of a sample; all if None.
    """

    def __init__(
        self,
        network: Network,
        schedule: Schedule,
        *,
        space: SampleSpace = "latents",
        shape: tuple[int, int, int] | None = None,
        guided_channels: int | None = None,
    ) -> None:
        self.network, self.schedule = network, schedule
        self.space: SampleSpace = space
        self.shape, self.guided_channels = shape, guided_channels

    def conditions(self, images: Images, prompt: str, negative_prompt: str | None) -> Conditions:
        """Return what asks for each class of some images."""
        raise NotImplementedError

    def to(self, device: torch.device) -> "Prior":
        """Move the network; the schedule's tables stay on the CPU."""
        self.network.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return self.network.device

    def output(
        self,
        x: Float[Tensor, "n c h w"],
        time: Float[Tensor, ""] | Int[Tensor, ""],
        labels: Int[Tensor, " n"],
        conditions: Conditions,
        guidance: float = 1.0,
    ) -> Float[Tensor, "n c h w"]:
        """Return the network's output with classifier-free guidance.

        Both halves are one doubled batch. A guidance up to 1 is none, as in diffusers' pipelines.
        """
        wanted = conditions.of(labels)
        if guidance <= 1:
            return self._output(x, time, wanted)
        both = doubled(wanted, conditions.none(labels))
        return guided(self._output(torch.cat([x, x]), time, both), guidance, self.guided_channels)

    def _output(self, x: Tensor, time: Tensor, inputs: Inputs) -> Tensor:
        times = time.to(x.device).expand(len(x))
        on_device: dict[str, Any] = {k: v.to(x.device) for k, v in inputs.items()}
        # If the variance is learned, it fills the second half of the channels.
        return self.network(x, times, **on_device)[:, : x.shape[1]]
