"""The shell around a network: a loss that takes weights, an optimizer, a measure."""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics.aggregation import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from ddoq.evaluation.protocols import Protocol
from ddoq.losses import hard_losses, soft_losses, weighted_mean
from ddoq.students.feed import Batch


class Student(LightningModule):
    """Any network that takes images, trained by a protocol and measured on real images."""

    def __init__(
        self,
        net: nn.Module,
        protocol: Protocol,
        *,
        num_classes: int,
        num_steps: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        name: str = "student",
        label: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.net, self.protocol, self.num_steps, self.name = net, protocol, num_steps, name
        # A teacher's logits; a bound function, so that its weights are not the student's.
        self._label = label
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)
        self.top1 = MulticlassAccuracy(num_classes, top_k=1, average="micro")
        self.top5 = MulticlassAccuracy(num_classes, top_k=min(5, num_classes), average="micro")
        self.test_loss = MeanMetric()

    def normalized(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return images as the network sees them."""
        return (images - self.mean) / self.std  # type: ignore[operator] # buffers are tensors

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Return logits of images in [0, 1]."""
        return self.net(self.normalized(images))

    def features(self, images: Float[Tensor, "n c h w"]) -> Tensor:
        """Return the network's features, as its own `features` gives them."""
        return self.net.features(self.normalized(images))  # type: ignore[operator] # a method

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """Leave a step where the feed made it: on the device already."""
        if isinstance(batch, Batch):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted loss of one step."""
        logits = self(batch.images)
        if self.protocol.labels == "soft":
            loss = self._soft_loss(logits, batch)
        else:
            own = hard_losses(logits, batch.labels) * batch.share * batch.weights
            other = hard_losses(logits, batch.other_labels) * (1 - batch.share)
            losses = own + other * batch.other_weights
            loss = weighted_mean(losses, torch.ones_like(losses), batch.size)
        # Ranks average their gradients; the step's loss is their sum.
        return loss * self.trainer.world_size

    def _soft_loss(self, logits: Tensor, batch: Batch) -> Tensor:
        assert self._label is not None
        with torch.no_grad():
            target = self._label(batch.images)
        protocol = self.protocol
        losses = soft_losses(
            logits, target, batch.labels, loss=protocol.loss, temperature=protocol.temperature
        )
        return weighted_mean(losses, batch.mixed_weights, batch.size)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Measure one batch of real images, unweighted."""
        images, labels = batch
        logits = self(images)
        self.top1.update(logits, labels)
        self.top5.update(logits, labels)
        self.test_loss.update(hard_losses(logits, labels))

    def on_test_epoch_end(self) -> None:
        """Log the measure over all ranks."""
        self.log("test/top1", self.top1)
        self.log("test/top5", self.top5)
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
        factor = LambdaLR(optimizer, lambda step: lr_factor(protocol, step / self.num_steps))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": factor, "interval": "step"},
        }


def lr_factor(protocol: Protocol, progress: float) -> float:
    """Return the learning rate's factor after a share of the training."""
    if progress < protocol.warmup:
        return (progress + 1e-3) / (protocol.warmup + 1e-3)
    if protocol.schedule == "cosine":
        done = (progress - protocol.warmup) / (1 - protocol.warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    if protocol.schedule == "step":
        return protocol.decay ** sum(progress >= m for m in protocol.milestones)
    return 1.0


def _parameter_groups(net: nn.Module, protocol: Protocol) -> list[dict[str, Any]]:
    """Decay matrices and kernels; biases and norms, which are vectors, if the protocol says so."""
    trained = [p for p in net.parameters() if p.requires_grad]
    for_vectors = protocol.weight_decay if protocol.decay_vectors else 0.0
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": protocol.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": for_vectors},
    ]
