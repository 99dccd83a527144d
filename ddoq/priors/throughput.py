"""The number of steps of a prior's training that fit into some minutes on this machine."""

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning import Callback, LightningModule, Trainer

from ddoq.files.artifacts import read_json, write_json
from ddoq.priors.pretrain import PriorPretraining
from ddoq.training.loop import train
from ddoq.training.steps import Steps

if TYPE_CHECKING:
    from ddoq.run import Run

# The first steps load kernels and compile them.
_WARMUP_STEPS, _SECONDS = 10, 5.0
# The rest of the time goes to drawing samples, saving states and ending.
_SHARE = 0.95
_ENDLESS = 10**9


def steps_within(run: "Run", settings: PriorPretraining) -> int:
    """Return how many steps fit into the minutes of the settings, measured once and kept."""
    assert settings.minutes is not None

    def work(folder: Path) -> None:
        with run.console.stage("prior: measure how fast it is trained"):
            rate = steps_per_second(run, settings)
        assert settings.minutes is not None
        steps = max(1, int(_SHARE * 60 * settings.minutes * rate))
        if run.world.is_first:
            measured = {"steps_per_second": rate, "minutes": settings.minutes, "steps": steps}
            write_json(folder / "throughput.json", measured)

    folder = run.stage("throughput", _key(run, settings), work)
    return int(read_json(folder / "throughput.json")["steps"])


def is_measured(run: "Run", settings: PriorPretraining) -> bool:
    """Say whether the number of steps that fit has been measured already."""
    return run.is_done("throughput", _key(run, settings))


def _key(run: "Run", settings: PriorPretraining) -> dict[str, Any]:
    device = run.world.device
    is_card = device.type == "cuda"
    return {
        "settings": dataclasses.asdict(settings),
        "images": run.images.fingerprint,
        "prior": run.recipe.prior["name"],
        "ranks": run.world.size,
        "device": torch.cuda.get_device_name(device) if is_card else "cpu",
        "threads": torch.get_num_threads(),
    }


def steps_per_second(run: "Run", settings: PriorPretraining) -> float:
    """Train for some seconds, and return the steps per second."""
    endless = dataclasses.replace(settings, steps=_ENDLESS, minutes=None)
    _, _, module, feed = endless.begin(run)
    pace = Pace()
    train(run, module, "pretrain prior", None, pace, train_dataloaders=Steps(feed.batch, _ENDLESS))
    return run.world.broadcast(pace.rate)


class Pace(Callback):
    """Let a training warm up, measure it for some seconds, and stop it."""

    def __init__(self) -> None:
        self._start = 0.0
        self.rate = 0.0
        """Steps per second."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the clock, once the device has done what it was asked for."""
        done = batch_idx + 1 - _WARMUP_STEPS
        if done == 0 or (done > 0 and self._is_over(trainer)):
            if pl_module.device.type == "cuda":
                torch.cuda.synchronize(pl_module.device)
            now = time.monotonic()
            self.rate = done / (now - self._start)
            self._start = self._start if done else now
            trainer.should_stop = done > 0

    def _is_over(self, trainer: Trainer) -> bool:
        is_over = time.monotonic() - self._start >= _SECONDS
        return trainer.strategy.broadcast(is_over) if trainer.world_size > 1 else is_over
