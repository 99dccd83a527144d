"""The Lightning module of a student: a weighted loss, an optimizer, and a measurement."""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from lightning import LightningModule
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchmetrics.aggregation import MeanMetric
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError

from ddoq.data.preprocessing import Preprocessing
from ddoq.protocols.protocol import Protocol
from ddoq.students.feed import Batch
from ddoq.students.losses import hard_losses, single, soft_losses, target_losses, weighted_mean


class Student(LightningModule):
    """Any network that takes images, trained by a protocol and measured on real images."""

    def __init__(
        self,
        net: nn.Module,
        protocol: Protocol,
        *,
        num_classes: int,
        num_steps: int,
        steps_per_epoch: int = 1,
        preprocessing: Preprocessing,
        name: str = "student",
        label: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.net, self.protocol, self.name = net, protocol, name
        self.num_steps, self._steps_per_epoch = num_steps, steps_per_epoch
        self.ema = _running_mean(net, protocol.ema) if protocol.ema else None
        self.uses_ema = False
        # The teacher is a bound function, so that its weights are not the student's.
        self._label = label
        self.preprocessing = preprocessing
        self.top1 = MulticlassAccuracy(num_classes, top_k=1, average="micro")
        self.top5 = MulticlassAccuracy(num_classes, top_k=min(5, num_classes), average="micro")
        self.of_class = MulticlassAccuracy(num_classes, top_k=1, average="none")
        self.calibration = MulticlassCalibrationError(num_classes)
        self.test_loss = MeanMetric()

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Return logits of images in [0, 1], by the running mean of weights if that is reported."""
        x = self.preprocessing.forward(images)
        if self.uses_ema and self.ema is not None:
            # The batch statistics are those of the network itself.
            return functional_call(self.net, dict(self.ema.module.named_parameters()), (x,))
        return self.net(x)

    def features(self, images: Float[Tensor, "n c h w"]) -> Tensor:
        """Return the network's features, as its method `features` returns them."""
        seen = self.preprocessing.forward(images)
        return self.net.features(seen)  # type: ignore[operator] # a method

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """Return a step as it is, since the feed made it on the device."""
        if isinstance(batch, Batch):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of this rank's part of a step. Ranks average their gradients."""
        return self.loss(batch) * self.trainer.world_size

    def loss(self, batch: Batch) -> Tensor:
        """Return the weighted loss of a step, or of a rank's part of it."""
        if self.protocol.second_forward:
            with torch.no_grad():
                self(batch.images)
        logits = self(batch.images)
        if self.protocol.labels == "soft":
            return self._soft_loss(logits, batch)
        own, other = self._own_losses(logits, batch)
        own = own * batch.share * batch.weights
        losses = own + other * (1 - batch.share) * batch.other_weights
        return weighted_mean(losses, torch.ones_like(losses), batch.size)

    def _own_losses(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the losses with each image's labels, and with those of its mixing partner."""
        if self.protocol.labels == "hard":
            labels = batch.labels, batch.other_labels
            return hard_losses(logits, labels[0]), hard_losses(logits, labels[1])
        assert batch.targets is not None
        assert batch.other_targets is not None
        own = target_losses(logits, batch.targets)
        return own, target_losses(logits, batch.other_targets)

    def _soft_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        protocol, target = self.protocol, batch.logits
        if target is None:
            assert self._label is not None
            with torch.no_grad():
                target = self._label(batch.images)
        losses = soft_losses(
            logits, target, batch.labels, loss=protocol.loss, temperature=protocol.temperature
        )
        return weighted_mean(losses, batch.mixed_weights, batch.size)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, and update the running mean of the weights before any callback reads it."""
        super().optimizer_step(*args, **kwargs)
        if self.ema is not None:
            self.ema.update_parameters(self.net)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Measure one batch of real images, unweighted."""
        images, labels = batch
        logits = single(self(images))
        self.top1.update(logits, labels)
        self.top5.update(logits, labels)
        self.of_class.update(logits, labels)
        self.calibration.update(logits.softmax(1), labels)
        self.test_loss.update(hard_losses(logits, labels))

    def on_test_epoch_end(self) -> None:
        """Log the measure over all ranks."""
        self.measured_of_class: list[float] = self.of_class.compute().tolist()
        self.of_class.reset()
        self.log("test/top1", self.top1)
        self.log("test/top5", self.top5)
        self.log("test/ece", self.calibration)
        self.log("test/loss", self.test_loss)

    def configure_optimizers(self) -> Any:
        """Return the protocol's optimizer and schedule, stepped at every update."""
        protocol = self.protocol
        lr = protocol.lr_of.get(self.name, protocol.lr)
        groups = _parameter_groups(self.net, protocol)
        fused = all(p.device.type in ("cpu", "cuda") for p in self.net.parameters())
        if protocol.optimizer == "adamw":
            optimizer: Any = torch.optim.AdamW(groups, lr=lr, fused=fused)
        else:
            optimizer = torch.optim.SGD(groups, lr=lr, momentum=protocol.momentum, fused=fused)
        factor = LambdaLR(optimizer, lambda step: lr_factor(protocol, self._progress(step)))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": factor, "interval": "step"},
        }

    def _progress(self, step: int) -> float:
        """Return the share of the training that is over, in whole epochs if the protocol asks."""
        if self.protocol.schedule_per == "epoch":
            step -= step % self._steps_per_epoch
        return step / self.num_steps


def _running_mean(net: nn.Module, decay: float) -> AveragedModel:
    ema = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(decay)).requires_grad_(False)
    # The mean starts at the initial weights, not at those after the first step.
    ema.n_averaged += 1
    return ema


def lr_factor(protocol: Protocol, progress: float) -> float:
    """Return the factor of the learning rate after a share of the training."""
    if progress < protocol.warmup:
        return (progress + 1e-3) / (protocol.warmup + 1e-3)
    done = min(1.0, (progress - protocol.warmup) / (1 - protocol.warmup))
    if protocol.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if protocol.schedule == "half_cosine":
        return 0.5 * (1 + math.cos(math.pi * done / 2))
    if protocol.schedule == "linear":
        return 1 - (1 - protocol.last_factor) * done
    if protocol.schedule == "step":
        return protocol.decay ** sum(progress >= m for m in protocol.milestones)
    return 1.0


def _parameter_groups(net: nn.Module, protocol: Protocol) -> list[dict[str, Any]]:
    """Group parameters: matrices and kernels decay, the others only if the protocol says so."""
    trained = [(n, p) for n, p in net.named_parameters() if p.requires_grad]
    decayed = [p for n, p in trained if "weight" in n and p.ndim > 1]
    others = [p for n, p in trained if not ("weight" in n and p.ndim > 1)]
    for_others = protocol.weight_decay if protocol.decay_vectors else 0.0
    return [
        {"params": decayed, "weight_decay": protocol.weight_decay},
        {"params": others, "weight_decay": for_others},
    ]
