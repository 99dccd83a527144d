"""A text-conditional latent diffusion model in the layout of diffusers' StableDiffusionPipeline."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.autoencoders.weights import load_diffusers, load_schedule
from ddoq.data.images import Images
from ddoq.errors import ResourceError
from ddoq.files.given import intact
from ddoq.priors.conditions import PromptConditions, prompts_of, refuse_equal
from ddoq.priors.network import Network
from ddoq.priors.prior import Dtype, Prior
from ddoq.priors.schedule import Schedule
from ddoq.recipe import shipped

# How many prompts are embedded at once.
AT_ONCE = 32


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
        prompts = prompts_of(prompt, images.class_names)
        refuse_equal(prompts, tokenized(self._tokenizer, prompts))
        return PromptConditions(
            {"encoder_hidden_states": self.embed(prompts)},
            {"encoder_hidden_states": self.embed((negative_prompt or "",))},
        )

    def embed(self, prompts: tuple[str, ...]) -> Float[Tensor, "n tokens dim"]:
        """Return the text encoder's embedding of each prompt, cut to its length."""
        tokens = tokenized(self._tokenizer, prompts).to(self.device)
        with torch.inference_mode():
            return torch.cat([self._encoder(t).last_hidden_state for t in tokens.split(AT_ONCE)])


def tokenized(tokenizer: Any, prompts: tuple[str, ...]) -> Int[Tensor, "n tokens"]:
    """Return the tokens of each prompt, filled up or cut to the tokenizer's length."""
    return tokenizer(
        list(prompts),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids


def load_text_encoder(
    source: str, revision: str | None, *, number: int = 1, is_projected: bool = False
) -> tuple[Any, Any]:
    """Load the tokenizer and the text encoder of a pipeline: the first one, or another.

    An encoder that is projected returns one more embedding of a whole prompt.
    """
    try:
        from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
    except ImportError as error:
        raise ResourceError(
            "a prior that reads prompts needs the package transformers",
            "pip install 'ddoq[stable-diffusion]'",
        ) from error
    model: Any = CLIPTextModelWithProjection if is_projected else CLIPTextModel
    suffix = "" if number == 1 else f"_{number}"
    folder = shipped.locate(source)
    place = str(folder) if folder.is_dir() else source
    pinned: dict[str, Any] = {"revision": revision} if revision else {}
    try:
        with intact(source):
            tokenizer: Any = CLIPTokenizer.from_pretrained(
                place, subfolder=f"tokenizer{suffix}", **pinned
            )
            # By default transformers takes the precision that the folder's configuration names.
            encoder = model.from_pretrained(
                place,
                subfolder=f"text_encoder{suffix}",
                use_safetensors=True,
                dtype=torch.float32,
                **pinned,
            ).eval()
    except OSError as error:
        raise ResourceError(
            f"{source}: its text encoder is not here ({str(error).splitlines()[0]})",
            "download the whole repository once with `hf download`",
        ) from error
    return tokenizer, encoder
