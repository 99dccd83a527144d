"""The progress bars of trainings, drawn by the run's console."""

from typing import Any

from lightning import Callback, LightningModule, Trainer


class Progress(Callback):
    """Advance a console's bar at every training step, by one or by the samples of a step."""

    def __init__(self, bar: Any, *, by: int = 1) -> None:
        self._bar, self._by = bar, by
        self._done = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin at the step from which the training resumes."""
        if self._done:
            self._bar.resume(self._by * self._done)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance the bar."""
        self._done = batch_idx + 1
        self._bar.advance(self._by)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps so far."""
        return {"done": self._done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the number of steps so far."""
        self._done = state_dict["done"]
