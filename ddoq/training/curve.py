"""The loss curve of a training: one number for every step."""

from typing import Any

import torch
from jaxtyping import Float
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

# The number of losses that stay on the device before they are fetched together.
_FETCHED = 1000


class LossCurve(Callback):
    """Keep the loss of each step. With several ranks, each keeps the loss of its own part."""

    def __init__(self) -> None:
        self._before = torch.zeros(0)
        self._new: list[Tensor] = []

    @property
    def losses(self) -> Float[Tensor, " steps"]:
        """The losses so far, in the host's memory."""
        if self._new:
            self._before = torch.cat([self._before, torch.stack(self._new).cpu()])
            self._new = []
        return self._before

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the loss on its device, as reading it would wait for the device."""
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        self._new.append(loss.detach().float())
        if len(self._new) >= _FETCHED:
            _ = self.losses

    def state_dict(self) -> dict[str, Any]:
        """Return the losses so far."""
        return {"losses": self.losses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the losses so far."""
        self._before, self._new = state_dict["losses"], []
