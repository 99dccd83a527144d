"""A text-conditional latent diffusion model in the layout of diffusers' StableDiffusionPipeline."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.autoencoders.weights import load_diffusers, load_schedule
from ddoq.errors import ResourceError
from ddoq.files.given import intact
from ddoq.priors.network import guided
from ddoq.recipe import shipped


class StableDiffusionPrior:
    """Stable Diffusion's UNet, text encoder and noise schedule, without its safety checker.

    `source` is a folder or a Hub id with its `revision`. The extra `stable-diffusion` is needed.
    """

    def __init__(self, *, source: str, revision: str | None = None) -> None:
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        try:
            from transformers import CLIPTextModel, CLIPTokenizer
        except ImportError as error:
            raise ResourceError(
                "prior stable_diffusion needs the package transformers",
                "pip install 'ddoq[stable-diffusion]'",
            ) from error
        self.unet: Any = load_diffusers(
            UNet2DConditionModel, source, revision=revision, subfolder="unet"
        )
        folder = shipped.locate(source)
        place = str(folder) if folder.is_dir() else source
        pinned: dict[str, Any] = {"revision": revision} if revision else {}
        try:
            with intact(source):
                self._tokenizer: Any = CLIPTokenizer.from_pretrained(
                    place, subfolder="tokenizer", **pinned
                )
                self._encoder: Any = CLIPTextModel.from_pretrained(
                    place, subfolder="text_encoder", use_safetensors=True, **pinned
                ).eval()
        except OSError as error:
            raise ResourceError(
                f"{source}: its text encoder is not here ({str(error).splitlines()[0]})",
                "download the whole repository once with `hf download`",
            ) from error
        self._schedule = load_schedule(source, revision)

    def to(self, device: torch.device) -> "StableDiffusionPrior":
        """Move the networks; the schedule's tables stay on the CPU."""
        self.unet.to(device)
        self._encoder.to(device)
        return self

    def scheduler(self) -> Any:
        """Return a new PNDM scheduler, Stable Diffusion's own."""
        from diffusers.schedulers.scheduling_pndm import PNDMScheduler

        return PNDMScheduler.from_config(self._schedule)

    def embed(self, prompts: tuple[str, ...]) -> Float[Tensor, "n tokens dim"]:
        """Return the text encoder's embedding of each prompt, cut to its length."""
        tokens = self._tokenizer(
            list(prompts),
            padding="max_length",
            max_length=self._tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            return self._encoder(tokens.input_ids.to(self.unet.device)).last_hidden_state

    def guided_noise(
        self,
        x: Float[Tensor, "n c h w"],
        time: Int[Tensor, ""],
        prompts: Float[Tensor, "n tokens dim"],
        negative: Float[Tensor, "n tokens dim"],
        guidance: float,
    ) -> Float[Tensor, "n c h w"]:
        """Predict the noise with classifier-free guidance.

        Both halves are one doubled batch. A guidance up to 1 is none, as in diffusers' pipelines.
        """
        if guidance <= 1:
            return self.unet(x, time, encoder_hidden_states=prompts).sample
        both = self.unet(
            torch.cat([x, x]), time, encoder_hidden_states=torch.cat([prompts, negative])
        ).sample
        return guided(both, guidance)
