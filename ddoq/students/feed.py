"""The images of each training step: a function of (seed, step), on any number of ranks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol as Shape
from typing import runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq import keyed
from ddoq.augment.mixing import draw_mixing, mix
from ddoq.augment.pipeline import augment
from ddoq.data.conversion import in_floats
from ddoq.data.preprocessing import Preprocessing
from ddoq.errors import UsageError
from ddoq.protocols.protocol import Protocol
from ddoq.students.losses import centered
from ddoq.synthetic import SyntheticSet

# A last step with fewer images than this, shared by ranks, is too small to learn from.
_SMALLEST = 8


_WHITENED_AT_ONCE = 1024
# Larger sets stay in the host's memory, and each step is moved to the device.
_ON_DEVICE_BYTES = 8 * 2**30


@runtime_checkable
class Labels(Shape):
    """Stored soft labels of each step, used instead of asking the teacher."""

    def logits(self, step: int) -> Float[Tensor, "n classes"]:
        """Return the logits of all images of a step, in its order."""
        ...


@dataclass(frozen=True)
class Batch:
    """Augmented images of one step and, with mixing, what each was mixed with."""

    images: Float[Tensor, "n c h w"]
    labels: Int[Tensor, " n"]
    weights: Float[Tensor, " n"]
    other_labels: Int[Tensor, " n"]
    other_weights: Float[Tensor, " n"]
    share: Float[Tensor, " n"]
    """The share of each mixed image that is its own."""
    size: int
    """The number of images in the step, over all ranks."""
    logits: Float[Tensor, "n classes"] | None = None
    """The teacher's stored logits."""
    targets: Float[Tensor, "n m"] | None = None
    other_targets: Float[Tensor, "n m"] | None = None

    @property
    def mixed_weights(self) -> Float[Tensor, " n"]:
        """The weights of images that were mixed as pixels and labeled by a teacher."""
        return self.share * self.weights + (1 - self.share) * self.other_weights


@dataclass(frozen=True, kw_only=True)
class Feed:
    """The steps of one training: a set in memory, augmented in batches on the device.

    Every rank draws the whole step, then makes its part of the images and what is mixed into them.
    So mixing does not depend on the number of ranks.
    """

    synthetic: SyntheticSet
    protocol: Protocol
    seed: int
    size: int
    preprocessing: Preprocessing
    device: torch.device
    rank: int = 0
    world_size: int = 1
    labels: Labels | None = None
    whitening: Preprocessing | None = None
    """What is done to the set before any augmentation, if the protocol whitens."""

    def __post_init__(self) -> None:
        if self.batch_size < self.world_size:
            raise UsageError(
                f"a step of {self.batch_size} images cannot be shared by {self.world_size} ranks",
                "use fewer devices, or more images per class",
            )
        if self.num_distinct < min(self.steps_per_epoch, len(self)):
            raise UsageError(
                f"label_keep={self.protocol.label_keep} keeps {self.num_distinct} steps of the "
                f"{self.steps_per_epoch} in which every image is seen",
                "keep more, or train longer",
            )

    @property
    def batch_size(self) -> int:
        """Images in a step over all ranks: the protocol's number, or the whole set if smaller."""
        return min(self.protocol.batch_size, len(self.synthetic))

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every image is seen once. The last one may be smaller."""
        return -(-len(self.synthetic) // self.batch_size)

    def __len__(self) -> int:
        return self.protocol.num_steps(len(self.synthetic))

    def __iter__(self) -> Iterator[Batch]:
        return map(self.batch, range(len(self)))

    @property
    def num_distinct(self) -> int:
        """The number of different steps. It is less than all if labels are pruned."""
        return max(1, round(self.protocol.label_keep * len(self)))

    def drawn(self, step: int) -> int:
        """Return the step whose draws a step uses: itself or, with pruned labels, a kept one."""
        if self.num_distinct == len(self):
            return step
        cycle, place = divmod(step, self.num_distinct)
        if cycle == 0:
            return place
        return int(keyed.permutation(self.num_distinct, "replay", self.seed, cycle)[place])

    def chosen(self, step: int) -> Int[Tensor, " batch"]:
        """Return the images of a step, in the order of the whole step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self.protocol.weights == "sampler":
            draw = keyed.generator("draw", self.seed, step)
            weights = self.synthetic.weights.double()
            return torch.multinomial(weights, self.batch_size, replacement=True, generator=draw)
        order = keyed.permutation(len(self.synthetic), "order", self.seed, epoch)
        if 0 < len(order) % self.batch_size < min(_SMALLEST, self.batch_size // 2):
            # Batch statistics need more than a few images, so the epoch is spread evenly.
            return order.tensor_split(self.steps_per_epoch)[place]
        return order[place * self.batch_size : (place + 1) * self.batch_size]

    def _draws(self, step: int, ids: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Return the keys of augmentations: images or, if images may repeat, places."""
        if self.protocol.weights == "sampler":
            return torch.arange(len(ids)) + step * self.batch_size
        return ids

    @cached_property
    def _stored(self) -> tuple[Tensor, Tensor, Tensor]:
        s, is_large = self.synthetic, self.synthetic.images.nbytes > _ON_DEVICE_BYTES
        place = torch.device("cpu") if is_large else self.device
        images = s.images.to(place) if self.whitening is None else self._whitened(place)
        return images, s.labels.to(place), s.weights.to(place, torch.float32)

    def _whitened(self, place: torch.device) -> Tensor:
        assert self.whitening is not None
        parts = [
            self.whitening.forward(in_floats(part.to(self.device))).to(place)
            for part in self.synthetic.images.split(_WHITENED_AT_ONCE)
        ]
        return torch.cat(parts)

    @cached_property
    def _targets(self) -> Tensor | None:
        """The targets of all images, if the protocol reads them."""
        if self.protocol.labels != "targets":
            return None
        s = self.synthetic
        own = centered(s.labels, s.num_classes) if s.targets is None else s.targets.float()
        return own.to(self._stored[0].device)

    def batch(self, number: int) -> Batch:
        """Return this rank's part of a step."""
        step = self.drawn(number)
        part = self._part(step, self.rank, self.world_size)
        if self.labels is None:
            return part
        logits = self.labels.logits(step)
        logits = logits[rows_of(self.rank, self.world_size, len(logits))]
        return replace(part, logits=logits.to(self.device))

    def whole(self, step: int) -> Batch:
        """Return all images of a step, over all ranks."""
        return self._part(step, 0, 1)

    def _part(self, step: int, rank: int, world_size: int) -> Batch:
        """Return one rank's part of the images of a step."""
        ids, epoch = self.chosen(step), step // self.steps_per_epoch
        draws = self._draws(step, ids)
        mine = partner = rows_of(rank, world_size, len(ids))
        mixing = None
        if self.protocol.mix != "none":
            place = {"seed": self.seed, "epoch": epoch, "step": step, "size": self.size}
            mixing = draw_mixing(draws, self.protocol, **place).rows(mine)
            partner = mixing.partner
        # An image may be in this rank's part and be a partner too. It is augmented once.
        needed, place_of = torch.cat([mine, partner]).unique(return_inverse=True)
        own, other = place_of.to(self.device).chunk(2)
        if len(needed) == len(mine):
            own = slice(None)
        images, labels, weights = (
            t.index_select(0, ids[needed].to(t.device)).to(self.device) for t in self._stored
        )
        if self.protocol.weights == "sampler":
            weights = torch.ones_like(weights)
        if rank >= len(ids):
            weights = torch.zeros_like(weights)
        images = self._augmented(images, draws[needed], epoch, step)
        mixed, share = images[own], torch.ones_like(weights[own])
        if mixing is not None:
            mixed = mix(images[own], images[other], mixing, self.protocol.mix)
            share = mixing.share.to(weights)
        both = labels[own], weights[own], labels[other], weights[other]
        batch = Batch(mixed, *both, share, size=len(ids))
        if self._targets is None:
            return batch
        targets = self._targets[ids[needed].to(self._targets.device)].to(self.device)
        return replace(batch, targets=targets[own], other_targets=targets[other])

    def _augmented(self, images: Tensor, draws: Tensor, epoch: int, step: int) -> Tensor:
        return augment(
            in_floats(images),
            draws,
            self.protocol,
            seed=self.seed,
            epoch=epoch,
            step=step,
            size=self.size,
            preprocessing=self.preprocessing,
        )


def rows_of(rank: int, world_size: int, size: int) -> Int[Tensor, " n"]:
    """Return a rank's rows of a step.

    If a step has fewer images than ranks, the ranks without an image see all of them with weight 0,
    as every rank must take part in a gradient.
    """
    return torch.arange(rank, size, world_size) if rank < size else torch.arange(size)
