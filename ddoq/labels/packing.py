"""Logits in few bytes: whole, in half precision, in 8 bits, or the largest ones only.

The functions are pure: `pack` makes named tensors with as many rows, and `unpack` logits of them.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.protocols.protocol import Protocol

_DTYPES = {"float32": torch.float32, "float16": torch.float16}


def pack(logits: Float[Tensor, "n classes"], protocol: Protocol) -> dict[str, Tensor]:
    """Return the part of logits that a protocol keeps.

    All but the `label_top_k` largest logits become one number, which leaves their joint probability
    at the protocol's temperature unchanged.
    """
    k = protocol.label_top_k
    if k is None or k >= logits.shape[1]:
        return _rounded("logits", logits, protocol.label_dtype)
    top = logits.topk(k, dim=1)
    rest = logits.scatter(1, top.indices, -torch.inf) / protocol.temperature
    number = torch.tensor(float(logits.shape[1] - k))
    level = protocol.temperature * (rest.logsumexp(1, keepdim=True) - number.log())
    kept = torch.cat([top.values, level], 1)
    return _rounded("logits", kept, protocol.label_dtype) | {"classes": top.indices.to(torch.int32)}


def unpack(packed: dict[str, Tensor], num_classes: int) -> Float[Tensor, "n classes"]:
    """Return the logits that were packed, with the precision in which they were kept."""
    values = packed["logits"].to(torch.float32)
    if "scale" in packed:
        values = values * packed["scale"] + packed["center"]
    if "classes" not in packed:
        return values
    rest = values[:, -1:].expand(-1, num_classes)
    return rest.scatter(1, packed["classes"].to(torch.int64), values[:, :-1])


def through(logits: Float[Tensor, "n classes"], protocol: Protocol) -> Float[Tensor, "n classes"]:
    """Return logits as they are after a protocol's packing and unpacking."""
    if protocol.label_dtype == "float32" and protocol.label_top_k is None:
        return logits
    return unpack(pack(logits, protocol), logits.shape[1])


def row_bytes(protocol: Protocol, num_classes: int) -> int:
    """Return the number of bytes that one label takes."""
    packed = pack(torch.zeros(1, num_classes), protocol)
    return sum(t.numel() * t.element_size() for t in packed.values())


def _rounded(name: str, values: Tensor, dtype: str) -> dict[str, Tensor]:
    if dtype in _DTYPES:
        return {name: values.to(_DTYPES[dtype])}
    low, high = values.amin(1, keepdim=True), values.amax(1, keepdim=True)
    scale = ((high - low) / 254).clamp_min(torch.finfo(values.dtype).tiny)
    center = (high + low) / 2
    codes = ((values - center) / scale).round().clamp(-127, 127).to(torch.int8)
    return {name: codes, "scale": scale, "center": center}
