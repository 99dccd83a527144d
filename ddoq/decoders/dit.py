"""A decoder that denoises points by a diffusion transformer: the paper's DiT track."""

from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from ddoq.data.images import Images
from ddoq.decoders.denoise import as_noise, denoise, refuse_settings
from ddoq.priors.dit import DiTPrior
from ddoq.quantize.blocks import PointBlock


class DiT:
    """Denoise each point under its class label, with classifier-free guidance.

    `start=renoise` noises the point to `strength` of the way and denoises from there, as D4M does;
    `start=direct` takes the point itself for pure noise. The paper does not say which one it uses.
    `start=noise` ignores the point and gives a raw sample of the prior.
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
        start: Literal["renoise", "direct", "noise"] = "renoise",
        strength: float = 0.7,
        scheduler: Literal["ddim", "dpm"] = "ddim",
        block: int = 16,
    ) -> None:
        refuse_settings(steps=steps, strength=strength)
        self.block = block
        self._autoencoder, self._prior = autoencoder, prior
        self._labels = prior.labels_of(images.class_ids)
        self._is_raw = start == "noise"
        self._settings: dict[str, Any] = {
            "steps": steps,
            "strength": strength if start == "renoise" else None,
            "seed": seed,
        }
        self._guidance, self._scheduler = guidance, scheduler

    def decode(self, block: PointBlock) -> Float[Tensor, "block c h w"]:
        """Return the decoded, denoised image of each point."""
        device = self._prior.device
        labels = self._labels[block.labels].to(device)
        latents = denoise(
            as_noise(block, self._settings["seed"]) if self._is_raw else block,
            lambda x, time: self._prior.guided_noise(x, time, labels, self._guidance),
            self._prior.scheduler(self._scheduler),
            device=device,
            **self._settings,
        )
        return self._autoencoder.decode(latents)
