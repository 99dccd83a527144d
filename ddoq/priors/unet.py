"""A class-conditional U-Net that denoises pixels or latents, preconditioned as in EDM."""

from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.autoencoders.weights import load_diffusers, load_schedule
from ddoq.errors import DataError
from ddoq.files.artifacts import read_json, write_json
from ddoq.priors import edm
from ddoq.priors.classes import Classes
from ddoq.priors.network import Network, guided
from ddoq.recipe import shipped

SampleSpace = Literal["pixels", "latents"]

_FILE = "prior.json"


class UNetPrior:
    """Diffusers' UNet2DModel with the noise levels of an EDM scheduler, and the classes it knows.

    `source` is a folder with `unet/`, `scheduler/` and `classes.json`, a Hub id with its
    `revision`, or `pretrain`: trained on the recipe's own images. The last label means "no class".

    Args:
        source: A folder, a Hub id or `pretrain`.
        revision: The commit of a Hub id.
        subfolder: The folder of the network within `source`.
        space: Whether it denoises pixels or the recipe's latents. If None, its folder says.
        dtype: The precision of the network.
        compile: Whether torch compiles the network: it starts slowly and is faster afterwards.
    """

    def __init__(
        self,
        *,
        source: str = "pretrain",
        revision: str | None = None,
        subfolder: str = "unet",
        space: SampleSpace | None = None,
        dtype: Literal["float32", "bfloat16"] = "float32",
        compile: bool = False,
    ) -> None:
        from diffusers.models.unets.unet_2d import UNet2DModel

        model: Any = load_diffusers(
            UNet2DModel, source, revision=revision, subfolder=subfolder, dtype=dtype
        )
        self.network = Network(model, compile=compile)
        self.shape: tuple[int, int, int] = (
            int(model.config.in_channels),
            *_sides(model.config.sample_size),
        )
        self.space: SampleSpace = space or _space_of(source)
        self.classes = Classes.of(source)
        self.null_label = int(model.config.num_class_embeds) - 1
        self._schedule = load_schedule(source, revision)
        if "sigma_data" not in self._schedule:
            raise DataError(
                f"{source}: its scheduler is {self._schedule.get('_class_name')}, not EDM's",
                "give a folder that pretrain wrote with net=unet",
            )

    def to(self, device: torch.device) -> "UNetPrior":
        """Move the network."""
        self.network.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return self.network.device

    def labels_of(self, class_ids: tuple[str, ...]) -> Int[Tensor, " classes"]:
        """Return this prior's label for each class id."""
        return self.classes.labels(class_ids)

    def levels(self, steps: int) -> Float[Tensor, " levels"]:
        """Return the falling noise levels of a number of steps."""
        low, high = self._schedule["sigma_min"], self._schedule["sigma_max"]
        return edm.levels(steps, sigma_min=low, sigma_max=high, rho=self._schedule["rho"])

    def denoised(
        self,
        x: Float[Tensor, "n c h w"],
        level: float,
        labels: Int[Tensor, " n"],
        guidance: float,
    ) -> Float[Tensor, "n c h w"]:
        """Return the predicted clean images, with classifier-free guidance.

        Both halves are one doubled batch. A guidance up to 1 is none, and needs only one half.
        """
        if guidance <= 1:
            return self._clean(x, level, labels)
        both = torch.cat([labels, torch.full_like(labels, self.null_label)])
        return guided(self._clean(torch.cat([x, x]), level, both), guidance)

    def _clean(self, x: Tensor, level: float, labels: Tensor) -> Tensor:
        sigma = torch.full((len(x),), level, device=x.device)
        return edm.denoised(
            lambda scaled, noise: self.network(scaled, noise, class_labels=labels),
            x,
            sigma,
            sigma_data=self._schedule["sigma_data"],
        )


def save_space(folder: Path, space: SampleSpace) -> None:
    """Write beside a prior's weights whether it denoises pixels or latents."""
    write_json(folder / _FILE, {"space": space})


def _space_of(source: str) -> SampleSpace:
    file = shipped.locate(source) / _FILE
    return read_json(file)["space"] if file.is_file() else "pixels"


def _sides(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)
