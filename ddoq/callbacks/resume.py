"""How does a training go on that was killed? Its whole state on disk, renewed now and then."""

import os
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

# Between two states; what is trained faster than this is trained anew.
EVERY_SECONDS = 60.0
# Ranks ask the first one's clock this often.
_ASKED = 10


class Resume(Callback):
    """Keep weights, optimizer, loops, callbacks and the state of random numbers in one file.

    It belongs at the end of a trainer's callbacks, so that it sees what the others did.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._begun = file, time.monotonic()
        self._saved = self._begun
        self._random: dict[str, Any] | None = None
        self.seconds_before = 0.0
        """What the calls that were stopped took, up to the state that was kept."""

    @property
    def found(self) -> str | None:
        """The file of an earlier call, if there is one that can be read."""
        if not self._file.exists():
            return None
        try:
            torch.load(self._file, map_location="meta", weights_only=True)
        except Exception as error:  # whatever a damaged file makes of torch
            warnings.warn(
                f"{self._file} is unreadable ({type(error).__name__}); the training begins anew",
                stacklevel=2,
            )
            self._file.unlink()
            return None
        return str(self._file)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the random numbers, and the time spent."""
        on_cards = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        seconds = self.seconds_before + time.monotonic() - self._begun
        return {"cpu": torch.get_rng_state(), "cards": on_cards, "seconds": seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state of the random numbers until the training starts."""
        self._random, self.seconds_before = state_dict, state_dict["seconds"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the random numbers of the training that was stopped."""
        if self._random is not None:
            torch.set_rng_state(self._random["cpu"].cpu())
            if len(self._random["cards"]) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all([state.cpu() for state in self._random["cards"]])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save the state where the last one is old."""
        if self._is_due(trainer):
            temporary = self._file.with_name(f".{self._file.name}.tmp")
            trainer.save_checkpoint(temporary)
            if trainer.is_global_zero:
                os.replace(temporary, self._file)
            self._saved = time.monotonic()

    def _is_due(self, trainer: Trainer) -> bool:
        if trainer.world_size > 1 and trainer.global_step % _ASKED:
            return False
        is_old = time.monotonic() - self._saved >= EVERY_SECONDS
        return trainer.strategy.broadcast(is_old) if trainer.world_size > 1 else is_old
