"""A prior's network as decoders call it, in any precision, compiled or not."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def stock(model: Any, x: Tensor, time: Tensor, **conditions: Tensor) -> Tensor:
    """Call a diffusers model as it is."""
    return model(x, time, **conditions).sample


class Network:
    """A diffusers model with inputs and outputs in single precision, whatever it computes in.

    `call` calls the model, where its times, outputs or inputs are not as decoders have them.
    """

    def __init__(
        self, model: Any, *, call: Callable[..., Tensor] = stock, compile: bool = False
    ) -> None:
        self.model, self._call = model, call
        if compile:
            compile_in_place(model)

    def __call__(self, x: Tensor, time: Tensor, **conditions: Tensor) -> Tensor:
        """Return the model's output for noisy samples and their times."""
        kind = self.model.dtype
        inputs = {k: v.to(kind) if v.is_floating_point() else v for k, v in conditions.items()}
        return self._call(self.model, x.to(kind), time, **inputs).float()

    def to(self, device: torch.device) -> None:
        """Move the model."""
        self.model.to(device)

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return self.model.device


def compile_in_place(model: Any) -> None:
    """Let torch compile a model. Equal blocks are compiled once, which is much faster."""
    for module in getattr(model, "transformer_blocks", [model]):
        module.compile()


def guided(
    both: Float[Tensor, "twice ..."], guidance: float, channels: int | None = None
) -> Float[Tensor, "n ..."]:
    """Combine the conditional and unconditional halves of a batch (Ho and Salimans 2022).

    Only the first `channels` are guided, all if None.
    """
    conditional, unconditional = both.chunk(2)
    whole = unconditional + guidance * (conditional - unconditional)
    if channels is None:
        return whole
    return torch.cat([whole[:, :channels], conditional[:, channels:]], 1)
