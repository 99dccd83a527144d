"""A decoder that denoises points by Stable Diffusion: the paper's UNet track, as D4M set it."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from ddoq.data.images import Images
from ddoq.decoders.denoise import denoise, refuse_settings
from ddoq.priors.stable_diffusion import StableDiffusionPrior
from ddoq.quantize.blocks import PointBlock


class StableDiffusion:
    """Noise each point to `strength` and denoise it under its class's names as the prompt.

    The defaults are those of D4M's ImageNet script: 35 of 50 PNDM steps, guidance 8. There is no
    safety checker, as it blackens images.
    """

    def __init__(
        self,
        autoencoder: Any,
        prior: StableDiffusionPrior,
        images: Images,
        seed: int,
        *,
        steps: int = 50,
        guidance: float = 8.0,
        strength: float = 0.7,
        negative_prompt: str = "cartoon, anime, painting",
        block: int = 4,
    ) -> None:
        refuse_settings(steps=steps, strength=strength)
        self.block = block
        self._autoencoder, self._prior, self._guidance = autoencoder, prior, guidance
        self._prompts = prior.embed(images.class_names)
        self._negative = prior.embed((negative_prompt,))
        self._settings: dict[str, Any] = {"steps": steps, "strength": strength, "seed": seed}

    def decode(self, block: PointBlock) -> Float[Tensor, "block c h w"]:
        """Return the decoded, denoised image of each point."""
        prompts = self._prompts[block.labels]
        negative = self._negative.expand_as(prompts)
        latents = denoise(
            block,
            lambda x, t: self._prior.guided_noise(x, t, prompts, negative, self._guidance),
            self._prior.scheduler(),
            device=self._prior.unet.device,
            **self._settings,
        )
        return self._autoencoder.decode(latents)
