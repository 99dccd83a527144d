"""A callback that measures a network while it trains, and keeps its best state."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from ddoq.protocols.protocol import Protocol


def evaluation_steps(protocol: Protocol, num_steps: int) -> list[int]:
    """Return the steps after which a protocol measures, without the last step."""
    first, number = protocol.evaluate_after * num_steps, protocol.evaluations
    span = num_steps - first
    steps = {round(first + span * (i + 1) / (number + 1)) for i in range(number)}
    return sorted(s for s in steps if 0 < s < num_steps)


def share_buffers(module: LightningModule) -> None:
    """Give all ranks the batch statistics of rank 0; without this they differ after a step."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        for buffer in module.buffers():
            torch.distributed.broadcast(buffer, 0)


class Evaluations(Callback):
    """Measure at some steps, and keep the weights of the best state before the last one."""

    def __init__(self, steps: list[int], batches: Callable[[], Any]) -> None:
        self._steps, self._batches = set(steps), batches
        self.accuracies: list[float] = []
        self.best: dict[str, Tensor] | None = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure if this step is one of those."""
        if batch_idx + 1 not in self._steps:
            return
        share_buffers(pl_module)
        accuracy = self.measure(trainer, pl_module)
        if not self.accuracies or accuracy > max(self.accuracies):
            self.best = copy.deepcopy(pl_module.state_dict())
        self.accuracies.append(accuracy)

    def state_dict(self) -> dict[str, Any]:
        """Return what was measured, for a training that goes on later."""
        return {"accuracies": self.accuracies, "best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the measurements made before the training was interrupted."""
        self.accuracies, self.best = list(state_dict["accuracies"]), state_dict["best"]

    @torch.no_grad()
    def measure(self, trainer: Trainer, module: LightningModule) -> float:
        """Return the accuracy over all ranks' images, each counted once."""
        module.eval()
        counts = torch.zeros(2)
        with trainer.precision_plugin.forward_context():
            for images, labels in self._batches():
                predicted = module(images.to(module.device)).argmax(1).cpu()
                counts += torch.tensor([float((predicted == labels).sum()), float(len(labels))])
        module.train()
        right, total = trainer.strategy.reduce(counts.to(module.device), reduce_op="sum")
        return float(right / total)
