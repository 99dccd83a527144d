"""Stable Diffusion XL, in the layout of diffusers' StableDiffusionXLPipeline."""

from typing import Any

import torch
from torch import Tensor

from ddoq.autoencoders.weights import load_diffusers, load_schedule
from ddoq.data.images import Images
from ddoq.priors.conditions import Inputs, PromptConditions, prompts_of, refuse_equal
from ddoq.priors.network import Network
from ddoq.priors.prior import Dtype, Prior
from ddoq.priors.schedule import Schedule
from ddoq.priors.stable_diffusion import AT_ONCE, load_text_encoder, tokenized
from ddoq.recipe import shipped

# The side of an image in pixels, divided by that of its latent.
_PIXELS = 8


class SDXLPrior(Prior):
    """Stable Diffusion XL's base UNet, two text encoders and noise schedule.

    `source` is a folder or a Hub id with its `revision`. The extra `stable-diffusion` is needed.

    Args:
        source: A folder or a Hub id.
        revision: The commit of a Hub id.
        image_size: The size of images that the network is told; by default the one it was trained
            for. They are said to be neither enlarged nor cropped.
        dtype: The precision of the UNet. Prompts are embedded in single precision.
        compile: Whether torch compiles the UNet: it starts slowly and is faster afterwards.
    """

    def __init__(
        self,
        *,
        source: str,
        revision: str | None = None,
        image_size: int | None = None,
        dtype: Dtype = "float32",
        compile: bool = False,
    ) -> None:
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        unet: Any = load_diffusers(
            UNet2DConditionModel, source, revision=revision, subfolder="unet", dtype=dtype
        )
        network = Network(unet, call=_with_added, compile=compile)
        super().__init__(network, Schedule(load_schedule(source, revision)))
        self._size = image_size or _PIXELS * int(unet.config.sample_size)
        self._encoders = [
            load_text_encoder(source, revision),
            load_text_encoder(source, revision, number=2, is_projected=True),
        ]
        index = load_index(source, revision)
        self._is_none_zero = bool(index.get("force_zeros_for_empty_prompt", True))

    def to(self, device: torch.device) -> "SDXLPrior":
        """Move the networks; the schedule's tables stay on the CPU."""
        super().to(device)
        for _, encoder in self._encoders:
            encoder.to(device)
        return self

    def conditions(
        self, images: Images, prompt: str = "{}", negative_prompt: str | None = None
    ) -> PromptConditions:
        """Return the embedding of each class's names, put into `prompt` in place of {}.

        Without a negative prompt the other embedding is zero if the pipeline's index says so.
        """
        prompts = prompts_of(prompt, images.class_names)
        refuse_equal(prompts, tokenized(self._encoders[0][0], prompts))
        wanted = self.embed(prompts)
        unwanted = self.embed((negative_prompt or "",))
        if negative_prompt is None and self._is_none_zero:
            unwanted = {name: torch.zeros_like(rows) for name, rows in unwanted.items()}
        return PromptConditions(self._sized(wanted), self._sized(unwanted))

    def embed(self, prompts: tuple[str, ...]) -> Inputs:
        """Return both encoders' embeddings of each token, and the second one's of each prompt."""
        # In parts, as each keeps what all layers of both encoders say until it is done.
        parts = [self._embed(prompts[i : i + AT_ONCE]) for i in range(0, len(prompts), AT_ONCE)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _embed(self, prompts: tuple[str, ...]) -> Inputs:
        told: list[Any] = []
        with torch.inference_mode():
            for tokenizer, encoder in self._encoders:
                tokens = tokenized(tokenizer, prompts).to(self.device)
                told.append(encoder(tokens, output_hidden_states=True))
        # As in diffusers: the last layer but one.
        states = torch.cat([one.hidden_states[-2] for one in told], -1)
        return {"encoder_hidden_states": states, "text_embeds": told[-1].text_embeds}

    def _sized(self, inputs: Inputs) -> Inputs:
        """Add the sizes of the original and of the image, and where it was cropped."""
        rows = inputs["text_embeds"]
        ids = (self._size, self._size, 0, 0, self._size, self._size)
        return {**inputs, "time_ids": rows.new_tensor(ids).expand(len(rows), -1)}


def load_index(source: str, revision: str | None) -> dict[str, Any]:
    """Return what a pipeline's own configuration says."""
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline

    folder = shipped.locate(source)
    loaded: Any = DiffusionPipeline.load_config(
        folder if folder.is_dir() else source, revision=revision
    )
    return dict(loaded)


def _with_added(
    model: Any, x: Tensor, time: Tensor, *, text_embeds: Tensor, time_ids: Tensor, **rest: Tensor
) -> Tensor:
    """Call a UNet that takes further conditions beside the embedded tokens."""
    added = {"text_embeds": text_embeds, "time_ids": time_ids}
    return model(x, time, added_cond_kwargs=added, **rest).sample
