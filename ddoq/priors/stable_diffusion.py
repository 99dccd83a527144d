"""A text-conditional latent diffusion model in the layout of diffusers' StableDiffusionPipeline."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.autoencoders.weights import load_diffusers, load_schedule
from ddoq.data.images import Images
from ddoq.errors import ResourceError
from ddoq.files.given import intact
from ddoq.priors.conditions import PromptConditions
from ddoq.priors.network import Network
from ddoq.priors.prior import Dtype, Prior
from ddoq.priors.schedule import Schedule
from ddoq.recipe import shipped


class StableDiffusionPrior(Prior):
    """Stable Diffusion's UNet, text encoder and noise schedule, without its safety checker.

    `source` is a folder or a Hub id with its `revision`. The extra `stable-diffusion` is needed.

    Args:
        source: A folder or a Hub id.
        revision: The commit of a Hub id.
        dtype: The precision of the UNet. Prompts are embedded in single precision.
        compile: Whether torch compiles the UNet: it starts slowly and is faster afterwards.
    """

    def __init__(
        self,
        *,
        source: str,
        revision: str | None = None,
        dtype: Dtype = "float32",
        compile: bool = False,
    ) -> None:
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        unet: Any = load_diffusers(
            UNet2DConditionModel, source, revision=revision, subfolder="unet", dtype=dtype
        )
        super().__init__(Network(unet, compile=compile), Schedule(load_schedule(source, revision)))
        self._tokenizer, self._encoder = load_text_encoder(source, revision)

    def to(self, device: torch.device) -> "StableDiffusionPrior":
        """Move the networks; the schedule's tables stay on the CPU."""
        super().to(device)
        self._encoder.to(device)
        return self

    def conditions(
        self, images: Images, prompt: str = "{}", negative_prompt: str | None = None
    ) -> PromptConditions:
        """Return the embedding of each class's names, put into `prompt` in place of {}."""
        prompts = tuple(prompt.replace("{}", name) for name in images.class_names)
        return PromptConditions(
            {"encoder_hidden_states": self.embed(prompts)},
            {"encoder_hidden_states": self.embed((negative_prompt or "",))},
        )

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
            return self._encoder(tokens.input_ids.to(self.device)).last_hidden_state


def load_text_encoder(source: str, revision: str | None) -> tuple[Any, Any]:
    """Load the tokenizer and the text encoder of a pipeline."""
    try:
        from transformers import CLIPTextModel, CLIPTokenizer
    except ImportError as error:
        raise ResourceError(
            "prior stable_diffusion needs the package transformers",
            "pip install 'ddoq[stable-diffusion]'",
        ) from error
    folder = shipped.locate(source)
    place = str(folder) if folder.is_dir() else source
    pinned: dict[str, Any] = {"revision": revision} if revision else {}
    try:
        with intact(source):
            tokenizer: Any = CLIPTokenizer.from_pretrained(place, subfolder="tokenizer", **pinned)
            encoder: Any = CLIPTextModel.from_pretrained(
                place, subfolder="text_encoder", use_safetensors=True, **pinned
            ).eval()
    except OSError as error:
        raise ResourceError(
            f"{source}: its text encoder is not here ({str(error).splitlines()[0]})",
            "download the whole repository once with `hf download`",
        ) from error
    return tokenizer, encoder
