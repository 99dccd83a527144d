"""Weights of the original DiT and SiT code, put into diffusers' stock transformer.

Both have one architecture (github.com/facebookresearch/DiT and willisma/SiT, models.py). It differs
from diffusers' in names, in the frequencies of the time's embedding, and in one epsilon.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ddoq.errors import DataError
from ddoq.files.given import intact
from ddoq.files.pickles import read_pickle
from ddoq.files.tensors import read_tensors

Weights = dict[str, Tensor]

# Names outside the blocks, and within a block, as the original code and as diffusers have them.
_OUTER = {
    "x_embedder.proj": "pos_embed.proj",
    "final_layer.adaLN_modulation.1": "proj_out_1",
    "final_layer.linear": "proj_out_2",
}
_INNER = {
    "adaLN_modulation.1": "norm1.linear",
    "attn.proj": "attn1.to_out.0",
    "mlp.fc1": "ff.net.0.proj",
    "mlp.fc2": "ff.net.2",
}
# Every block of diffusers' has these embedders. The original code has them once.
_SHARED = {
    "t_embedder.mlp.0": "timestep_embedder.linear_1",
    "t_embedder.mlp.2": "timestep_embedder.linear_2",
}
_TABLE = "y_embedder.embedding_table.weight"
# Programs that train keep the mean of the weights, which is what is used, beside other things.
_AVERAGED = "ema"
_XL_SIZE = 1152


def load_original(file: Path, *, heads: int | None, dtype: str, num_classes: int) -> Any:
    """Load a file of weights of the original code as a `DiTTransformer2DModel`.

    Args:
        file: A torch file, which may hold the weights under `ema`, or safetensors.
        heads: The number of attention heads; as in the published sizes if None.
        dtype: The precision of the transformer.
        num_classes: How many classes its labels stand for, besides the label for "no class".
    """
    weights = _read(file)
    with intact(file):
        config = _config(weights, heads)
        labels = len(weights[_TABLE])
        if labels != num_classes + 1:
            raise DataError(
                f"{file}: its network has {labels} labels, for {num_classes} classes and no class",
                "list its class ids in the order of its labels in classes.json beside the file",
            )
        kind = getattr(torch, dtype)
        model = _filled(config, {name: t.to(kind) for name, t in weights.items()})
        return model.eval().requires_grad_(False)


def _read(file: Path) -> Weights:
    if file.suffix == ".safetensors":
        with intact(file):
            return read_tensors(file)
    content = read_pickle(file)
    content = content.get(_AVERAGED, content) if isinstance(content, dict) else {}
    if _TABLE not in content or "pos_embed" not in content:
        raise DataError(
            f"{file} does not hold the weights of the original DiT or SiT code",
            f"give a file whose state dict, or whose {_AVERAGED!r}, has x_embedder, t_embedder, "
            "y_embedder, pos_embed, blocks and final_layer",
        )
    return content


def _config(weights: Weights, heads: int | None) -> dict[str, Any]:
    """Return the sizes that the shapes of the weights say."""
    dim, channels, patch, _ = weights["x_embedder.proj.weight"].shape
    # The number of heads is in no shape. Those published have 64 dimensions, or 72 in XL.
    heads = heads or max(1, dim // (72 if dim == _XL_SIZE else 64))
    if dim % heads:
        raise DataError(
            f"{dim} dimensions cannot be shared by {heads} heads", "set prior.heads as it was"
        )
    return {
        "num_attention_heads": heads,
        "attention_head_dim": dim // heads,
        "in_channels": channels,
        "out_channels": weights["final_layer.linear.bias"].numel() // patch**2,
        "num_layers": len({name.split(".")[1] for name in weights if name.startswith("blocks.")}),
        "sample_size": round(weights["pos_embed"].shape[1] ** 0.5) * patch,
        "patch_size": patch,
        "num_embeds_ada_norm": len(weights[_TABLE]) - 1,
        "norm_eps": 1e-6,
    }


def _filled(config: dict[str, Any], weights: Weights) -> Any:
    """Return diffusers' transformer with these very weights."""
    from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

    with torch.device("meta"):
        model: Any = DiTTransformer2DModel(**config)
    model.load_state_dict(dict(_renamed(weights, config["num_layers"])), assign=True)
    model.pos_embed.pos_embed = weights["pos_embed"]
    for block in model.transformer_blocks:
        # Diffusers' frequencies end at 1 / 10000; those of the original code stop one step before.
        block.norm1.emb.time_proj.downscale_freq_shift = 0
    return model


def _renamed(weights: Weights, num_layers: int) -> Iterator[tuple[str, Tensor]]:
    for old, new in _OUTER.items():
        yield from _pair(weights, old, new)
    for number in range(num_layers):
        own, other = f"blocks.{number}", f"transformer_blocks.{number}"
        for old, new in _INNER.items():
            yield from _pair(weights, f"{own}.{old}", f"{other}.{new}")
        for old, new in _SHARED.items():
            yield from _pair(weights, old, f"{other}.norm1.emb.{new}")
        yield f"{other}.norm1.emb.class_embedder.embedding_table.weight", weights[_TABLE]
        for part in ("weight", "bias"):
            three = weights[f"{own}.attn.qkv.{part}"].chunk(3)
            for name, tensor in zip("qkv", three, strict=True):
                yield f"{other}.attn1.to_{name}.{part}", tensor


def _pair(weights: Weights, old: str, new: str) -> Iterator[tuple[str, Tensor]]:
    for part in ("weight", "bias"):
        yield f"{new}.{part}", weights[f"{old}.{part}"]
