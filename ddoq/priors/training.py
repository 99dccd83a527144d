"""A prior's training step: keyed draws, a weighted error, a running mean of the weights."""

import math
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from lightning import LightningModule
from torch import Tensor
from torch.nn.utils.clip_grad import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ddoq import keyed
from ddoq.priors.nets import Net, dropped
from ddoq.priors.network import compile_in_place
from ddoq.priors.objectives import Objective

if TYPE_CHECKING:
    from ddoq.priors.examples import ExampleBatch
    from ddoq.priors.pretrain import PriorPretraining

_LARGEST_GRADIENT = 1.0


class PriorTraining(LightningModule):
    """A network that learns to denoise, and the running mean of its weights, which is the result.

    Every draw is a function of (seed, place in the stream of examples). So ranks draw different
    numbers, and together the same as a single rank.
    """

    def __init__(
        self, net: Net, objective: Objective, settings: "PriorPretraining", *, seed: int
    ) -> None:
        super().__init__()
        self.model, self._net, self._objective = net.model, net, objective
        self._settings, self._seed = settings, seed
        decay = ema_decay(settings.half_life * settings.steps)
        self.average = AveragedModel(net.model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.average.requires_grad_(False)
        if settings.checkpointing:
            self.model.enable_gradient_checkpointing()
        if settings.compile:
            compile_in_place(self.model)

    def training_step(self, batch: "ExampleBatch", batch_idx: int) -> Tensor:
        """Return the loss of this rank's part of a step. Ranks average their gradients."""
        return self.loss(batch) * self.trainer.world_size

    def loss(self, batch: "ExampleBatch") -> Tensor:
        """Return the contribution of some samples to the mean loss of their step."""
        return self.losses(self.model, batch, "prior").sum() / self._settings.batch_size

    def losses(self, model: Any, batch: "ExampleBatch", purpose: str) -> Float[Tensor, " n"]:
        """Return each sample's loss of a model, with the draws of a purpose."""
        clean, labels, places = batch
        draws = keyed.Draws(keyed.seed_of(purpose, self._seed), places)
        net = self._net
        labels = dropped(labels, draws, share=net.label_dropout, null_label=net.null_label)
        clean = clean.to(memory_format=net.memory_format)

        def network(x: Tensor, times: Tensor) -> Tensor:
            return model(x, times, class_labels=labels).sample

        is_lower = self._settings.dtype != "float32"
        with torch.autocast(clean.device.type, dtype=torch.bfloat16, enabled=is_lower):
            return self._objective.losses(network, clean, draws)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Shorten gradients that are too long."""
        clip_grad_norm_(self.model.parameters(), _LARGEST_GRADIENT)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, and move the running mean before any callback looks at it."""
        super().optimizer_step(*args, **kwargs)
        self.average.update_parameters(self.model)

    def configure_optimizers(self) -> Any:
        """Return AdamW with a rate that rises linearly and falls along a cosine."""
        lr, steps, warmup = self._settings.lr, self._settings.steps, self._settings.warmup
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=lr, fused=True)
        schedule = LambdaLR(optimizer, lambda step: lr_factor(step, steps, warmup))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def ema_decay(half_life: float) -> float:
    """Return the decay per step of a running mean with a half-life in steps."""
    return 0.5 ** (1 / max(half_life, 1e-9))


def lr_factor(step: int, steps: int, warmup: float) -> float:
    """Return the share of the highest rate at a step: a linear rise, then a cosine to 0."""
    rising = (step + 1) / max(1, round(warmup * steps))
    falling = (1 + math.cos(math.pi * min(1.0, step / steps))) / 2
    return min(1.0, rising) * falling
