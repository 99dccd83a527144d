"""The networks that `pretrain` trains as priors, each with its loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.errors import UsageError
from ddoq.keyed import Draws
from ddoq.priors import edm

# From noisy samples, their times and labels to the network's output.
Forward = Callable[[Tensor, Tensor, Tensor], Tensor]

# The stock pipeline hard-codes 1000 as the label of "no class".
_DIT_LABELS = 1000
_HEAD_SIZE, _MOST_GROUPS = 64, 32


@dataclass(frozen=True)
class Net:
    """A new diffusers model, the noise schedule beside it, and its loss."""

    model: Any
    part: str
    """The folder of a diffusers pipeline that holds the model."""
    learns: str
    """What the model is trained to do, for the card."""
    schedule: Any
    losses: Callable[[Forward, Tensor, Tensor, Draws], Float[Tensor, " n"]]
    """From a forward pass, clean samples, labels and draws to the loss of each sample."""


def dit(
    shape: tuple[int, ...],
    num_classes: int,
    *,
    layers: int = 4,
    heads: int = 4,
    head_size: int = 24,
    label_dropout: float = 0.1,
) -> Net:
    """Make a diffusion transformer that predicts noise (Peebles and Xie 2023, Ho et al. 2020)."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    if num_classes > _DIT_LABELS:
        raise UsageError(
            f"pretrain.prior: {num_classes} classes", f"at most {_DIT_LABELS} fit a dit; net=unet"
        )
    model = _new_dit(shape, layers=layers, heads=heads, head_size=head_size)
    scheduler = DDIMScheduler(num_train_timesteps=1000, clip_sample=False)

    def losses(forward: Forward, clean: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        times = (draws.uniform("time", 1)[:, 0] * 1000).long()
        noise = draws.normal("noise", tuple(clean.shape[1:]))
        noisy = scheduler.add_noise(clean, noise, times)  # type: ignore[arg-type] # a tensor
        labels = dropped(labels, draws, share=label_dropout, null_label=_DIT_LABELS)
        return (forward(noisy, times, labels).float() - noise).square().mean((1, 2, 3))

    return Net(model, "transformer", "noise prediction", scheduler, losses)


def _new_dit(shape: tuple[int, ...], *, layers: int, heads: int, head_size: int) -> Any:
    from diffusers.models.embeddings import LabelEmbedding
    from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

    model = DiTTransformer2DModel(
        num_attention_heads=heads,
        attention_head_dim=head_size,
        in_channels=shape[0],
        # Given although it is the default, as the stock pipeline reads it.
        out_channels=shape[0],
        num_layers=layers,
        sample_size=shape[1],
        patch_size=max(1, shape[1] // 8),
        num_embeds_ada_norm=_DIT_LABELS,
    )
    for module in model.modules():
        if isinstance(module, LabelEmbedding):
            # Each layer would drop other labels, and all ranks would drop the same ones.
            module.dropout_prob = 0.0
    return model


def unet(
    shape: tuple[int, ...],
    num_classes: int,
    *,
    width: int = 64,
    multipliers: tuple[int, ...] = (1, 2, 2),
    blocks: int = 2,
    attention: tuple[int, ...] = (16,),
    dropout: float = 0.0,
    sigma_data: float = 0.5,
    label_dropout: float = 0.1,
) -> Net:
    """Make a U-Net that denoises, preconditioned as in EDM (Karras et al. 2022).

    Args:
        shape: The shape of one sample.
        num_classes: The number of labels; one more label means "no class".
        width: The channels of the first level.
        multipliers: The channels of each level, in widths. Each level halves the sides.
        blocks: The residual blocks of a level.
        attention: The sides of the levels that attend. The innermost level always does.
        dropout: The dropout within residual blocks.
        sigma_data: The standard deviation of the samples: about 0.5 in pixels, 1 in scaled latents.
        label_dropout: How often a label is left out in training.
    """
    from diffusers.schedulers.scheduling_edm_euler import EDMEulerScheduler

    levels = _levels(shape[1], width, multipliers, attention)
    model = _new_unet(shape, levels, blocks=blocks, dropout=dropout, num_labels=num_classes + 1)

    def losses(forward: Forward, clean: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        labels = dropped(labels, draws, share=label_dropout, null_label=num_classes)
        noise = draws.normal("noise", tuple(clean.shape[1:]))
        drawn = edm.training_levels(draws.normal("level", (1,))[:, 0])
        clean = clean.to(memory_format=torch.channels_last)
        return edm.loss(
            lambda x, level: forward(x, level, labels), clean, noise, drawn, sigma_data=sigma_data
        )

    return Net(model, "unet", "denoising as EDM", EDMEulerScheduler(sigma_data=sigma_data), losses)


def _levels(
    side: int, width: int, multipliers: tuple[int, ...], attention: tuple[int, ...]
) -> list[tuple[int, bool]]:
    """Return the channels of each level, and whether it attends."""
    sides = [side // 2**i for i in range(len(multipliers))]
    if sides[-1] * 2 ** (len(multipliers) - 1) != side:
        raise UsageError(
            f"pretrain.prior.net: {side} cannot be halved {len(multipliers) - 1} times",
            "give fewer multipliers",
        )
    return [(width * m, s in attention) for m, s in zip(multipliers, sides, strict=True)]


def _new_unet(
    shape: tuple[int, ...],
    levels: list[tuple[int, bool]],
    *,
    blocks: int,
    dropout: float,
    num_labels: int,
) -> Any:
    from diffusers.models.unets.unet_2d import UNet2DModel

    channels, attends = zip(*levels, strict=True)
    model: Any = UNet2DModel(
        sample_size=shape[1],
        in_channels=shape[0],
        out_channels=shape[0],
        block_out_channels=channels,
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        layers_per_block=blocks,
        dropout=dropout,
        attention_head_dim=min(_HEAD_SIZE, *channels),
        norm_num_groups=math.gcd(_MOST_GROUPS, *channels),
        num_class_embeds=num_labels,
    )
    return model.to(memory_format=torch.channels_last)


def dropped(
    labels: Int[Tensor, " n"], draws: Draws, *, share: float, null_label: int
) -> Int[Tensor, " n"]:
    """Replace a share of the labels by "no class", for classifier-free guidance."""
    return torch.where(draws.uniform("label", 1)[:, 0] < share, null_label, labels)
