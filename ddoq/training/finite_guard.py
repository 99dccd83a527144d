"""A guard against losses that are not finite. Lightning alone would train on, and exit with 0."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from ddoq.errors import IntegrityError

REMEDY = "lower the learning rate, or use full precision"


class FiniteGuard(Callback):
    """Stop a training whose loss is not finite. It checks every `every`-th step and the last."""

    def __init__(self, what: str, *, every: int = 25, remedy: str = REMEDY) -> None:
        self._what, self._every, self._remedy = what, every, remedy

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check the loss at some steps only, as each check waits for the device."""
        # Lightning's `global_step` counts the steps of all optimizers.
        step = batch_idx + 1
        if step % self._every == 0 or step == trainer.num_training_batches:
            loss = outputs["loss"] if isinstance(outputs, dict) else outputs
            if not bool(torch.isfinite(loss).all()):
                raise IntegrityError(
                    f"{self._what}: the loss is not finite at step {step}",
                    self._remedy,
                )
