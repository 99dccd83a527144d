"""A class-conditional diffusion transformer (DiT, Peebles and Xie 2023) in latent space."""

from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.autoencoders.weights import load_diffusers, load_schedule
from ddoq.priors.classes import Classes
from ddoq.priors.network import Network, guided


class DiTPrior:
    """A diffusers DiT pipeline's transformer and noise schedule, with the classes it knows.

    `source` is a folder in the layout of diffusers' DiTPipeline, a Hub id with its `revision`, or
    `pretrain`: trained on the recipe's own latents. A folder's `classes.json` lists the class ids
    in the order of its labels. Without one, the labels are ImageNet-1K's.

    Args:
        source: A folder, a Hub id or `pretrain`.
        revision: The commit of a Hub id.
        subfolder: The folder of the transformer within `source`.
        dtype: The precision of the transformer.
        compile: Whether torch compiles the transformer: it starts slowly and is faster afterwards.
    """

    def __init__(
        self,
        *,
        source: str = "pretrain",
        revision: str | None = None,
        subfolder: str = "transformer",
        dtype: Literal["float32", "bfloat16"] = "float32",
        compile: bool = False,
    ) -> None:
        from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

        model: Any = load_diffusers(
            DiTTransformer2DModel, source, revision=revision, subfolder=subfolder, dtype=dtype
        )
        self.network = Network(model, compile=compile)
        self._schedule = load_schedule(source, revision)
        self.null_label = int(model.config.num_embeds_ada_norm)
        self.classes = Classes.of(source)

    def to(self, device: torch.device) -> "DiTPrior":
        """Move the transformer; the schedule's tables stay on the CPU."""
        self.network.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """The device of the transformer."""
        return self.network.device

    def scheduler(self, name: str) -> Any:
        """Return a new scheduler, `ddim` or `dpm`, for this prior's noise schedule."""
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler
        from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

        if name == "dpm":
            return DPMSolverMultistepScheduler.from_config(self._schedule)
        # By default it would clip latents to [-1, 1] if the folder's scheduler says nothing.
        return DDIMScheduler.from_config({"clip_sample": False, **self._schedule})

    def labels_of(self, class_ids: tuple[str, ...]) -> Int[Tensor, " classes"]:
        """Return this prior's label for each class id."""
        return self.classes.labels(class_ids)

    def guided_noise(
        self,
        x: Float[Tensor, "n c h w"],
        time: Int[Tensor, ""],
        labels: Int[Tensor, " n"],
        guidance: float,
    ) -> Float[Tensor, "n c h w"]:
        """Predict the noise with classifier-free guidance.

        Both halves are one doubled batch. A guidance up to 1 is none, as in DiTPipeline.
        """
        if guidance <= 1:
            return self._noise(x, time, labels)
        both = torch.cat([labels, torch.full_like(labels, self.null_label)])
        return guided(self._noise(torch.cat([x, x]), time, both), guidance)

    def _noise(self, x: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        times = time.to(x.device).expand(len(x))
        # If the variance is learned, it fills the second half of the channels.
        return self.network(x, times, class_labels=labels)[:, : x.shape[1]]
