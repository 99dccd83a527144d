"""How did the loss fall? One number for every step."""

from typing import Any

import torch
from jaxtyping import Float
from lightning import Callback, LightningModule, Trainer
from torch import Tensor


class Curve(Callback):
    """Keep the loss of each step; of several ranks each keeps that of its own part."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []

    @property
    def losses(self) -> Float[Tensor, " steps"]:
        """The losses so far."""
        return torch.stack(self._losses).cpu() if self._losses else torch.zeros(0)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep a loss where it is: to look at it would wait for the device."""
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        self._losses.append(loss.detach().float())

    def state_dict(self) -> dict[str, Any]:
        """Return the losses so far."""
        return {"losses": self.losses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on behind these losses."""
        self._losses = list(state_dict["losses"])
