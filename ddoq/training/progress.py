"""How far is a training? One bar for each, drawn by the run's console."""

from typing import Any

from lightning import Callback, LightningModule, Trainer


class Progress(Callback):
    """Advance a console's bar at every training step: by one, or by the samples of a step."""

    def __init__(self, bar: Any, *, by: int = 1) -> None:
        self._bar, self._by = bar, by

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin where a training that was stopped goes on."""
        if trainer.global_step:
            self._bar.advance(self._by * trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance the bar."""
        self._bar.advance(self._by)
