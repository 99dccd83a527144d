"""The networks that `pretrain` trains as priors."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor, nn

from ddoq.errors import UsageError
from ddoq.keyed import Draws
from ddoq.recipe.component import Block

# The stock pipeline hard-codes 1000 as the label of "no class".
_DIT_LABELS = 1000
_HEAD_SIZE, _MOST_GROUPS = 64, 32
# Layers, heads and the size of a head (Peebles and Xie 2023, Table 1).
_DIT_SIZES = {"S": (12, 6, 64), "B": (12, 12, 64), "L": (24, 16, 64), "XL": (28, 16, 72)}
_SMALLEST_DIT = (4, 4, 24)


@dataclass(frozen=True)
class Net:
    """A new diffusers model, called with noisy samples, their times and labels."""

    model: Any
    part: str
    """The folder of a diffusers pipeline that holds the model."""
    null_label: int
    """The label that means "no class"."""
    objective: Block | str
    """What the model learns."""
    label_dropout: float
    """How often a label is left out in training."""
    memory_format: torch.memory_format = torch.contiguous_format
    """The order of a sample's values that the model is fastest with."""


def dit(
    shape: tuple[int, ...],
    num_classes: int,
    *,
    objective: Block | str = "noise",
    size: Literal["S", "B", "L", "XL"] | None = None,
    layers: int | None = None,
    heads: int | None = None,
    head_size: int | None = None,
    patch_size: int | None = None,
    shared: bool = True,
    zero: bool = True,
    label_dropout: float = 0.1,
) -> Net:
    """Make a diffusion transformer (DiT, Peebles and Xie 2023), by the paper's size or by numbers.

    Args:
        shape: The shape of one sample.
        num_classes: The number of labels.
        objective: What it learns.
        size: The paper's name of layers, heads and head size; the width is heads times head size.
        layers: The number of layers, by default that of `size`, or 4.
        heads: The heads of a layer, likewise.
        head_size: The channels of a head, by default those of `size`, or 24.
        patch_size: The side of a patch; by default the largest of which a side has 8 or more.
        shared: Whether all layers share the embedding of time and label, as the paper's do.
        zero: Whether it is initialized as the paper's (adaLN-Zero).
        label_dropout: How often a label is left out in training.
    """
    if num_classes > _DIT_LABELS:
        raise UsageError(
            f"pretrain.prior: {num_classes} classes", f"at most {_DIT_LABELS} fit a dit; net=unet"
        )
    sizes = _sizes(size, layers, heads, head_size)
    model = _new_dit(shape, sizes, patch_size or _patch(shape[1]))
    if shared:
        _share(model)
    if zero:
        _begin_at_zero(model)
    return Net(model, "transformer", _DIT_LABELS, objective, label_dropout)


def _sizes(name: str | None, *given: int | None) -> list[int]:
    """Return layers, heads and head size: what is given, and else that of a name."""
    known = _DIT_SIZES[name] if name else _SMALLEST_DIT
    return [own or of for own, of in zip(given, known, strict=True)]


def _patch(side: int) -> int:
    return max(p for p in range(1, max(1, side // 8) + 1) if side % p == 0)


def _new_dit(shape: tuple[int, ...], sizes: Sequence[int], patch_size: int) -> Any:
    from diffusers.models.embeddings import LabelEmbedding
    from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

    if shape[1] != shape[2] or shape[1] % patch_size:
        raise UsageError(
            f"pretrain.prior.net.patch_size={patch_size} for samples of {shape[1]} x {shape[2]}",
            "use a square sample, and a patch size that divides its side",
        )
    layers, heads, head_size = sizes
    model = DiTTransformer2DModel(
        num_attention_heads=heads,
        attention_head_dim=head_size,
        in_channels=shape[0],
        # Given although it is the default, as the stock pipeline reads it.
        out_channels=shape[0],
        num_layers=layers,
        sample_size=shape[1],
        patch_size=patch_size,
        num_embeds_ada_norm=_DIT_LABELS,
    )
    for module in model.modules():
        if isinstance(module, LabelEmbedding):
            # Each layer would drop other labels, and all ranks would drop the same ones.
            module.dropout_prob = 0.0
    return model


def _share(model: Any) -> None:
    for block in model.transformer_blocks[1:]:
        block.norm1.emb = model.transformer_blocks[0].norm1.emb


def _begin_at_zero(model: Any) -> None:
    """Initialize as the paper's code: each layer is the identity, and the output is zero."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
    nn.init.xavier_uniform_(model.pos_embed.proj.weight.data.flatten(1))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    for block in model.transformer_blocks:
        times = block.norm1.emb.timestep_embedder
        labels = block.norm1.emb.class_embedder.embedding_table
        for weights in (labels.weight, times.linear_1.weight, times.linear_2.weight):
            nn.init.normal_(weights, std=0.02)
    for layer in (*(b.norm1.linear for b in model.transformer_blocks), model.proj_out_1):
        nn.init.zeros_(layer.weight)
    nn.init.zeros_(model.proj_out_2.weight)


def separate(model: Any) -> None:
    """Give each layer of a transformer its own copy of what they share, as diffusers saves them."""
    blocks = getattr(model, "transformer_blocks", [])
    for block in blocks[1:]:
        if block.norm1.emb is blocks[0].norm1.emb:
            block.norm1.emb = copy.deepcopy(block.norm1.emb)


def unet(
    shape: tuple[int, ...],
    num_classes: int,
    *,
    objective: Block | str = "edm",
    width: int = 64,
    multipliers: tuple[int, ...] = (1, 2, 2),
    blocks: int = 2,
    attention: tuple[int, ...] = (16,),
    dropout: float = 0.0,
    label_dropout: float = 0.1,
) -> Net:
    """Make a class-conditional U-Net, as of Ho et al. 2020.

    Args:
        shape: The shape of one sample.
        num_classes: The number of labels; one more label means "no class".
        objective: What it learns.
        width: The channels of the first level.
        multipliers: The channels of each level, in widths. Each level halves the sides.
        blocks: The residual blocks of a level.
        attention: The sides of the levels that attend. The innermost level always does.
        dropout: The dropout within residual blocks.
        label_dropout: How often a label is left out in training.
    """
    levels = _levels(shape[1], width, multipliers, attention)
    model = _new_unet(shape, levels, blocks=blocks, dropout=dropout, num_labels=num_classes + 1)
    return Net(model, "unet", num_classes, objective, label_dropout, torch.channels_last)


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
