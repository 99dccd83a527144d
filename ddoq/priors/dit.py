"""A class-conditional diffusion transformer (DiT, Peebles and Xie 2023) in latent space."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq import shipped
from ddoq.artifacts import read_json
from ddoq.autoencoders.weights import load_diffusers, load_schedule
from ddoq.data.imagenet import imagenet_ids
from ddoq.decoders.denoise import guided
from ddoq.errors import DataError
from ddoq.given import intact

CLASSES = "classes.json"


class DiTPrior:
    """A diffusers DiT pipeline's transformer and noise schedule, with the classes it knows.

    `source` is a folder in the layout of diffusers' DiTPipeline, a Hub id with its `revision`, or
    `pretrain`: trained on the recipe's own latents. A folder's `classes.json` lists the class ids
    in the order of its labels; without one, the labels are ImageNet-1K's.
    """

    def __init__(
        self,
        *,
        source: str = "pretrain",
        revision: str | None = None,
        subfolder: str = "transformer",
    ) -> None:
        from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

        self.transformer: Any = load_diffusers(
            DiTTransformer2DModel, source, revision=revision, subfolder=subfolder
        )
        self._schedule = load_schedule(source, revision)
        self.null_label = int(self.transformer.config.num_embeds_ada_norm)
        classes = shipped.locate(source) / CLASSES
        self.class_ids = _class_ids(classes) if classes.is_file() else imagenet_ids()

    def to(self, device: torch.device) -> "DiTPrior":
        """Move the transformer; the schedule's tables stay on the CPU."""
        self.transformer.to(device)
        return self

    def scheduler(self, name: str) -> Any:
        """Return a new scheduler (`ddim` or `dpm`) for this prior's noise schedule."""
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler
        from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

        kinds: dict[str, Any] = {"ddim": DDIMScheduler, "dpm": DPMSolverMultistepScheduler}
        return kinds[name].from_config(self._schedule)

    def labels_of(self, class_ids: tuple[str, ...]) -> Int[Tensor, " classes"]:
        """Return this prior's label for each class id; by id, never by position."""
        missing = [c for c in class_ids if c not in self.class_ids]
        if missing:
            raise DataError(
                f"the prior does not know the classes {', '.join(missing[:5])}",
                "use a prior trained on them: prior.source=pretrain",
            )
        return torch.tensor([self.class_ids.index(c) for c in class_ids])

    def guided_noise(
        self,
        x: Float[Tensor, "n c h w"],
        time: Int[Tensor, ""],
        labels: Int[Tensor, " n"],
        guidance: float,
    ) -> Float[Tensor, "n c h w"]:
        """Predict the noise with classifier-free guidance, both halves in one doubled batch."""
        null = torch.full_like(labels, self.null_label)
        times = time.to(x.device).expand(2 * len(x))
        both = self.transformer(
            torch.cat([x, x]), timestep=times, class_labels=torch.cat([labels, null])
        ).sample
        # A learned variance, where there is one, fills the second half of the channels.
        return guided(both[:, : x.shape[1]], guidance)


def _class_ids(file: Path) -> tuple[str, ...]:
    with intact(file):
        found: Any = read_json(file)
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise ValueError("it is no list of class ids")
        return tuple(found)
