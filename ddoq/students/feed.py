"""Which images does a student see at step t? A function of (seed, step), on any number of ranks."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq import augment, keyed
from ddoq.data.images import as_floats
from ddoq.errors import UsageError
from ddoq.evaluation.protocols import Protocol
from ddoq.synthetic import SyntheticSet

# A last step with fewer images than this, shared by ranks, is no step to learn from.
_SMALLEST = 8


@dataclass(frozen=True)
class Batch:
    """Augmented images of one step; with mixing, what each was mixed with."""

    images: Float[Tensor, "n c h w"]
    labels: Int[Tensor, " n"]
    weights: Float[Tensor, " n"]
    other_labels: Int[Tensor, " n"]
    other_weights: Float[Tensor, " n"]
    share: Float[Tensor, " n"]
    """How much of each image is its own."""
    size: int
    """The number of images in the step, over all ranks."""

    @property
    def mixed_weights(self) -> Float[Tensor, " n"]:
        """The weights of images that were mixed as pixels and labeled by a teacher."""
        return self.share * self.weights + (1 - self.share) * self.other_weights


@dataclass(frozen=True)
class Feed:
    """The steps of one training: a set in memory, augmented in batches on the device.

    Every rank draws the whole step and keeps its part, so that mixing does not depend on ranks.
    """

    synthetic: SyntheticSet
    protocol: Protocol
    seed: int
    size: int
    device: torch.device
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if self.batch_size < self.world_size:
            raise UsageError(
                f"a step of {self.batch_size} images cannot be shared by {self.world_size} ranks",
                "use fewer devices, or more images per class",
            )

    @property
    def batch_size(self) -> int:
        """Images in a step over all ranks: the protocol's, or the whole set if that is less."""
        return min(self.protocol.batch_size, len(self.synthetic))

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every image is seen once; the last one may be smaller."""
        return -(-len(self.synthetic) // self.batch_size)

    def __len__(self) -> int:
        return self.protocol.num_steps(len(self.synthetic))

    def __iter__(self) -> Iterator[Batch]:
        images = self.synthetic.images.to(self.device)
        labels = self.synthetic.labels.to(self.device)
        weights = self.synthetic.weights.to(self.device, torch.float32)
        for step in range(len(self)):
            yield self._batch(step, images, labels, weights)

    def chosen(self, step: int) -> Int[Tensor, " batch"]:
        """Return the images of a step, in the order of the whole step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self.protocol.weights == "sampler":
            draw = keyed.generator("draw", self.seed, step)
            weights = self.synthetic.weights.double()
            return torch.multinomial(weights, self.batch_size, replacement=True, generator=draw)
        order = keyed.permutation(len(self.synthetic), "order", self.seed, epoch)
        if 0 < len(order) % self.batch_size < min(_SMALLEST, self.batch_size // 2):
            # Batch statistics need more than a few images: spread the epoch evenly.
            return order.tensor_split(self.steps_per_epoch)[place]
        return order[place * self.batch_size : (place + 1) * self.batch_size]

    def _draws(self, step: int, ids: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Return what augmentations are drawn by: the image, or its place where it may repeat."""
        if self.protocol.weights == "sampler":
            return torch.arange(len(ids)) + step * self.batch_size
        return ids

    def _batch(self, step: int, images: Tensor, labels: Tensor, weights: Tensor) -> Batch:
        ids = self.chosen(step)
        epoch = step // self.steps_per_epoch
        rows = ids.to(self.device)
        x = images[rows]
        x = as_floats(x) if x.dtype == torch.uint8 else x
        x = augment.augment(
            x, self._draws(step, ids), self.protocol, seed=self.seed, epoch=epoch, size=self.size
        )
        y, w = labels[rows], weights[rows]
        if self.protocol.weights == "sampler":
            w = torch.ones_like(w)
        other_y, other_w, share = y, w, torch.ones_like(w)
        if self.protocol.mix != "none":
            mixing = augment.draw_mixing(
                ids, self.protocol, seed=self.seed, epoch=epoch, step=step, size=self.size
            )
            x = augment.mix(x, mixing, self.protocol.mix)
            partner = mixing.partner.to(self.device)
            other_y, other_w, share = y[partner], w[partner], mixing.share.to(w)
        mine = slice(self.rank, None, self.world_size)
        parts = (t[mine] for t in (x, y, w, other_y, other_w, share))
        return Batch(*parts, size=len(ids))
