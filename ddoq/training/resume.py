"""How does a training go on that was killed? Its whole state on disk, renewed now and then."""

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

# Between two states; what is trained faster than this is trained anew.
EVERY_SECONDS = 60.0
# What ranks agree on; the number of a signal is added to the latter.
_SAVE, _STOP = 1, 2


class InPlace(TorchCheckpointIO):
    """Write a state where it belongs; Lightning's own way passes through the system's /tmp."""

    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        """Write a state."""
        torch.save(checkpoint, path)


class Resume(Callback):
    """Keep weights, optimizer, loops, callbacks and the state of random numbers in one file.

    It belongs at the end of a trainer's callbacks, so that it sees what the others did. When any
    rank is asked to end by a signal, all save the state after the same step, and stop.
    """

    def __init__(self, file: Path, world: World | None = None) -> None:
        self._file, self._begun = file, time.monotonic()
        self._world = world or World()
        self._agreement = Agreement(self._world)
        self._saved = self._begun
        self._random: dict[str, Any] | None = None
        self._card: torch.device | None = None
        self.seconds_before = 0.0
        """What the calls that were stopped took, up to the state that was kept."""

    @property
    def found(self) -> str | None:
        """The file of an earlier call, if there is one to go on from."""
        if not self._file.exists():
            return None
        wrong = _unusable(self._file)
        if wrong:
            warnings.warn(f"{self._file} is {wrong}; the training begins anew", stacklevel=2)
            self._file.unlink()
        return None if wrong else str(self._file)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find out where states are kept, and whose random numbers."""
        trainer.strategy.checkpoint_io = InPlace()
        device = trainer.strategy.root_device
        self._card = device if device.type == "cuda" else None

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the random numbers, and the time spent.

        All ranks start from one seed, so that one rank's state is every rank's.
        """
        card = torch.cuda.get_rng_state(self._card) if self._card else None
        seconds = self.seconds_before + time.monotonic() - self._begun
        return {"cpu": torch.get_rng_state(), "card": card, "seconds": seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state of the random numbers until the training starts."""
        self._random, self.seconds_before = state_dict, state_dict["seconds"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the random numbers of the training that was stopped."""
        if self._random is not None:
            torch.set_rng_state(self._random["cpu"].cpu())
            if self._card and self._random["card"] is not None:
                torch.cuda.set_rng_state(self._random["card"].cpu(), self._card)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save the state where the last one is old or a signal came, and the training sound."""
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
        """Stop where a rank was asked to during the last step."""
        self._stop_if(self._agreement.settle())

    def _wish(self) -> int:
        """Return what this rank would do now: the first one alone looks at the clock."""
        if number := stop.asked():
            return _STOP + number
        is_old = time.monotonic() - self._saved >= EVERY_SECONDS
        return _SAVE if self._world.is_first and is_old else 0

    def _stop_if(self, agreed: int) -> None:
        if agreed > _STOP:
            stop.now(agreed - _STOP)


def _unusable(file: Path) -> str | None:
    """Say why a state cannot be gone on from; None if it can."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes of torch
        return f"unreadable ({type(error).__name__})"
    if state.get("pytorch-lightning_version") != lightning.__version__:
        return "of another version of lightning"
    return None
