"""Resuming of interrupted trainings: the whole state is on disk, and is renewed regularly."""

import contextlib
import time
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO

from ddoq.files.artifacts import replacing
from ddoq.processes import stop
from ddoq.processes.agreement import Agreement
from ddoq.processes.world import World

# The seconds between two states. A training that is shorter than this starts over.
EVERY_SECONDS = 60.0
# What ranks agree on. The number of a signal is added to the latter.
_SAVE, _STOP = 1, 2


class InPlace(TorchCheckpointIO):
    """Write a state to its place. Lightning itself would write it to the system's /tmp first."""

    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        """Write a state."""
        torch.save(checkpoint, path)


class Resume(Callback):
    """Keep weights, optimizer, loops, callbacks and the state of random numbers in one file.

    It must be the last of a trainer's callbacks, so that it saves what the others did. If a signal
    asks any rank to end, all ranks save the state after the same step, and stop.
    """

    def __init__(self, file: Path, world: World | None = None) -> None:
        self._file, self._begun = file, time.monotonic()
        self._world = world or World()
        self._agreement = Agreement(self._world)
        self._saved = self._begun
        self._random: dict[str, Any] | None = None
        self._card: torch.device | None = None
        self.seconds_before = 0.0
        """The time of interrupted calls, up to the saved state."""

    @property
    def found(self) -> str | None:
        """The state of an earlier call, if there is one to resume from."""
        if not self._file.exists():
            return None
        wrong = _unusable(self._file)
        if wrong:
            warnings.warn(f"{self._file} is {wrong}; the training starts over", stacklevel=2)
            self._file.unlink()
        return None if wrong else str(self._file)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find out where states are kept, and which device's random numbers."""
        trainer.strategy.checkpoint_io = InPlace()
        device = trainer.strategy.root_device
        self._card = device if device.type == "cuda" else None

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the random numbers, and the time spent.

        All ranks start from one seed, so one rank's state serves all.
        """
        card = torch.cuda.get_rng_state(self._card) if self._card else None
        seconds = self.seconds_before + time.monotonic() - self._begun
        return {"cpu": torch.get_rng_state(), "card": card, "seconds": seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state of the random numbers until the training starts."""
        self._random, self.seconds_before = state_dict, state_dict["seconds"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the random numbers of the interrupted training."""
        if self._random is not None:
            torch.set_rng_state(self._random["cpu"].cpu())
            if self._card and self._random["card"] is not None:
                torch.cuda.set_rng_state(self._random["card"].cpu(), self._card)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save the state if the last one is old or a signal came, and if the loss is finite."""
        agreed = self._agreement.after_step(self._wish())
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if agreed and all(self._world.gather(bool(torch.isfinite(loss)))):
            is_first = trainer.is_global_zero
            new = replacing(self._file) if is_first else contextlib.nullcontext(self._file)
            with new as place:
                trainer.save_checkpoint(place)
            self._saved = time.monotonic()
        self._stop_if(agreed)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop if a rank was asked to during the last step."""
        self._stop_if(self._agreement.settle())

    def _wish(self) -> int:
        """Return what this rank would do now. Only rank 0 looks at the clock."""
        if number := stop.asked():
            return _STOP + number
        is_old = time.monotonic() - self._saved >= EVERY_SECONDS
        return _SAVE if self._world.is_first and is_old else 0

    def _stop_if(self, agreed: int) -> None:
        if agreed > _STOP:
            stop.now(agreed - _STOP)


def _unusable(file: Path) -> str | None:
    """Say why a training cannot resume from a state; None if it can."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # Any error of torch on a damaged file.
        return f"unreadable ({type(error).__name__})"
    if state.get("pytorch-lightning_version") != lightning.__version__:
        return "of another version of lightning"
    return None
