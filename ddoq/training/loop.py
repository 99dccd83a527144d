"""The training of a module, with a guard. Each rank does its part; an interrupted call resumes."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq.processes import stop
from ddoq.training.curve import LossCurve
from ddoq.training.finite_guard import REMEDY, FiniteGuard
from ddoq.training.resume import Resume

if TYPE_CHECKING:
    from jaxtyping import Float
    from lightning import Callback, LightningModule, Trainer
    from torch import Tensor

    from ddoq.run import Run


@dataclass(frozen=True)
class Trained:
    """What a training yields besides the module."""

    trainer: "Trainer"
    losses: "Float[Tensor, ' steps']"
    seconds_before: float
    """The time of earlier calls that were interrupted."""


def train(
    run: "Run",
    module: "LightningModule",
    what: str,
    work: Path | None,
    *callbacks: "Callback",
    settings: Mapping[str, Any] | None = None,
    remedy: str = REMEDY,
    **data: Any,
) -> Trained:
    """Train a module once through its steps, by a Trainer with some further settings.

    The state is saved in `work`, a stage's workspace, and an interrupted call resumes from it.
    With `work`, a signal ends the training after a step, with its state saved. `remedy` is what to
    do about a loss that is not finite.
    """
    curve = LossCurve()
    resume = [Resume(work / "training.resume", run.world)] if work else []
    guard = FiniteGuard(what, remedy=remedy)
    watched = [guard, *callbacks, curve, *resume]
    trainer = run.trainer(max_epochs=1, callbacks=watched, **(settings or {}))
    # One rank decides for all.
    found = run.world.broadcast(resume[0].found if resume and run.world.is_first else None)
    with stop.deferred() if resume else contextlib.nullcontext():
        trainer.fit(module, ckpt_path=found, weights_only=True if found else None, **data)
    return Trained(trainer, curve.losses, resume[0].seconds_before if resume else 0.0)
