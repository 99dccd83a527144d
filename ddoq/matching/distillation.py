"""The loop: in each step both sets are looked at through one network, and the images move."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from lightning import LightningModule
from torch import Tensor, nn

from ddoq.matching.draws import Augmentation, RealDraws
from ddoq.matching.labeled import Labeled
from ddoq.matching.network import FlatNetwork
from ddoq.matching.parts import LoopParts
from ddoq.matching.scene import Scene, View
from ddoq.training.pace import median_seconds


@dataclass(frozen=True, kw_only=True)
class Descent:
    """How the images move."""

    lr: float
    momentum: float
    batch_size: int
    """Real images of each class that a step sees."""
    one_class_at_a_time: bool


class Distillation(LightningModule):
    """Learns images by gradient. A step is a function of its number and of the saved tensors.

    Args:
        network: The network through which sets are compared.
        parts: What is exchanged from method to method.
        begun: What is learned, at its start.
        labels: Of the set's images.
        weights: What each of the set's images counts.
        draws: The real images.
        augmentation: How both sides are changed.
        descent: How the images move.
    """

    labels: Tensor
    weights: Tensor

    def __init__(
        self,
        network: FlatNetwork,
        parts: LoopParts,
        *,
        begun: Mapping[str, Tensor],
        labels: Int[Tensor, " n"],
        weights: Float[Tensor, " n"],
        draws: RealDraws,
        augmentation: Augmentation,
        descent: Descent,
    ) -> None:
        super().__init__()
        # The optimizer steps once for every class, if classes are taken one at a time.
        self.automatic_optimization = False
        self.network, self.draws, self.augmentation, self.descent = (
            network,
            draws,
            augmentation,
            descent,
        )
        self.objective, self.parameterization = parts.objective, parts.parameterization
        self.viewpoint, self.sampler = parts.viewpoint, parts.sampler
        self.learned = nn.ParameterDict({k: nn.Parameter(v.clone()) for k, v in begun.items()})
        self.register_buffer("labels", labels, persistent=False)
        self.register_buffer("weights", weights.float(), persistent=False)
        classes = labels.unique()
        self.turns = list(classes[:, None]) if descent.one_class_at_a_time else [classes]
        """The classes of each part of a step."""

    @property
    def leaves(self) -> dict[str, Tensor]:
        """What is learned, by name."""
        return dict(self.learned.items())

    def training_step(self, step: int, batch_idx: int) -> Tensor:
        """Move the images once, or once for each class, then train networks."""
        return self._move(step, self.optimizers(), self.manual_backward)

    def seconds_of_step(self) -> float:
        """Return about how long a step takes. The loop is not fit to be used afterwards."""
        optimizer = self.configure_optimizers()
        return median_seconds(
            lambda step: self._move(step, optimizer, Tensor.backward), self.device.type
        )

    def _move(self, step: int, optimizer: Any, backward: Callable[..., None]) -> Tensor:
        view = self.viewpoint.at(step)
        self.sampler.renew(step, self.network, view, self.draws.plain)
        losses: list[Tensor] = []
        for classes in self.turns:
            loss = self.objective.loss(self.scene(step, view, classes.to(self.device)))
            optimizer.zero_grad()
            # Nothing else: an objective may have asked for gradients by the network's weights.
            backward(loss, inputs=list(self.leaves.values()))
            optimizer.step()
            with torch.no_grad():
                self.parameterization.settle(self.leaves)
            losses.append(loss.detach())
        self.viewpoint.advance(step, self.whole, self.draws.mixed)
        return self._if_finite(torch.stack(losses).sum())

    def scene(self, step: int, view: View, classes: Int[Tensor, " k"]) -> Scene:
        """Return what the objective looks at."""
        number = self.descent.batch_size
        real = partial(self.draws.of_classes, step, classes, number, self.sampler.draw)
        synthetic = partial(self.synthetic, step, classes)
        return Scene(self.network, view, classes, real, synthetic)

    def synthetic(self, step: int, classes: Int[Tensor, " k"]) -> Labeled:
        """Return the set's images of some classes, augmented as the real ones of the step."""
        side = self._decoded(torch.isin(self.labels, classes).nonzero()[:, 0])
        images = self.augmentation(side.images, side.labels, step, "synthetic")
        return Labeled(images, side.labels, side.weights)

    @torch.no_grad()
    def whole(self, *purpose: int | str) -> Labeled:
        """Return the whole set as it is now, each image changed on its own: to train on."""
        side = self._decoded(torch.arange(len(self.labels), device=self.device))
        images = self.augmentation.each(side.images, *purpose, "whole")
        return Labeled(images, side.labels, side.weights)

    def _decoded(self, rows: Int[Tensor, " n"]) -> Labeled:
        images = self.parameterization.decode(self.leaves, rows)
        each = rows.repeat_interleave(self.parameterization.views)
        return Labeled(images, self.labels[each], self.weights[each])

    def _if_finite(self, loss: Tensor) -> Tensor:
        """Return the loss, or NaN if the images are spoilt: such a state is not to be saved."""
        is_finite = torch.stack([t.isfinite().all() for t in self.leaves.values()]).all()
        return torch.where(is_finite, loss, torch.nan)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return SGD. Its momentum moves all classes in every part of a step, as in IDM's code."""
        how = self.descent
        return torch.optim.SGD(self.leaves.values(), lr=how.lr, momentum=how.momentum)
