"""The loss of a prior on validation images during its training, by the weights that are kept."""

from typing import TYPE_CHECKING, Any

import torch
from lightning import Callback, LightningModule, Trainer

from ddoq.priors.training import PriorTraining
from ddoq.training.steps import evenly

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from ddoq.priors.examples import Examples
    from ddoq.run import Run

# The draws of a measurement, at least.
_FEWEST = 1024


class Validation(Callback):
    """Measure the running mean of the weights now and then, always with the same draws.

    Every rank does its part, and the mean is that of all.
    """

    def __init__(self, run: "Run", feed: "Examples | None", *, steps: int, times: int) -> None:
        self._run, self._feed = run, feed
        self._steps = evenly(steps, times) if feed else set[int]()
        self.losses: dict[int, float] = {}
        """The loss after each step at which it was measured."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure where it is time."""
        if self._feed is not None and batch_idx + 1 in self._steps:
            assert isinstance(pl_module, PriorTraining)
            loss = validation_loss(pl_module, self._feed)
            total = trainer.strategy.reduce(loss, reduce_op="sum")
            self.losses[batch_idx + 1] = float(total)
            said = f"prior: loss on validation {float(total):.4g} after step {batch_idx + 1}"
            self._run.console.say(said)

    @property
    def curve(self) -> "dict[str, Tensor]":
        """The steps and the losses, to be saved."""
        steps = torch.tensor(list(self.losses), dtype=torch.int64)
        return {"validation_step": steps, "validation_loss": torch.tensor([*self.losses.values()])}

    def state_dict(self) -> dict[str, Any]:
        """Return the losses so far."""
        return {"losses": self.losses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the losses so far."""
        self.losses = dict(state_dict["losses"])


@torch.no_grad()
def validation_loss(training: PriorTraining, feed: "Examples") -> "Float[Tensor, '']":
    """Return this rank's contribution to the mean loss of the averaged weights."""
    model = training.average.module.eval()
    # Few images are seen several times, each time with other noise.
    steps = -(-max(_FEWEST, feed.num) // feed.batch_size)
    batches = (feed.batch(step) for step in range(steps))
    parts = [training.losses(model, batch, "prior validation").sum() for batch in batches]
    return torch.stack(parts).sum() / (steps * feed.batch_size)
