"""The examples that a prior learns from: real images or latents, on the device if they fit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq import keyed
from ddoq.data.conversion import as_floats
from ddoq.data.latents import shuffled
from ddoq.errors import UsageError
from ddoq.priors.space import SampleSpace

if TYPE_CHECKING:
    from ddoq.run import Run

# Larger data stay in the host's memory or on disk, and their batches are moved.
_ON_DEVICE_BYTES = 8 * 2**30
# The loss on more validation images would hardly be more exact.
_MOST_VALIDATION = 4096

# From rows to clean samples and their labels.
Read = Callable[[Tensor], tuple[Tensor, Tensor]]

# Clean samples, their labels, and their places in the stream, which determine the noise.
ExampleBatch = tuple[Float[Tensor, "n c h w"], Int[Tensor, " n"], Int[Tensor, " n"]]


@dataclass(frozen=True)
class Examples:
    """An endless stream of shuffled epochs, of which every rank takes its part of each step."""

    read: Read
    num: int
    shape: tuple[int, ...]
    batch_size: int
    """Of all ranks together."""
    seed: int
    flip: bool
    device: torch.device
    rank: int = 0
    world_size: int = 1

    def batch(self, step: int) -> ExampleBatch:
        """Return this rank's part of a step."""
        places = torch.arange(step * self.batch_size, (step + 1) * self.batch_size)
        places = places[self.rank :: self.world_size]
        clean, labels = self.read(shuffled(places, self.num, self.seed))
        clean, labels = clean.to(self.device), labels.to(self.device)
        places = places.to(self.device)
        if self.flip:
            is_flipped = keyed.uniform(keyed.seed_of("prior flip", self.seed), places, 1) < 0.5
            clean = torch.where(is_flipped[:, :, None, None], clean.flip(3), clean)
        return clean, labels, places


def of_pixels(run: "Run", *, batch_size: int, flip: bool) -> Examples:
    """Return the training images of a run, mapped to [-1, 1]."""
    images, size = run.images, run.images.image_size
    labels, shape = images.train.labels, (images.channels, size, size)
    if not images.fits_in_memory("train"):

        def read(rows: Tensor) -> tuple[Tensor, Tensor]:
            return as_floats(images.some("train", rows)) * 2 - 1, labels[rows]

        return _examples(run, read, len(labels), shape, batch_size, flip)

    pixels = images.pixels("train")
    held = _held(pixels, labels, run.world.device)

    def look_up(rows: Tensor) -> tuple[Tensor, Tensor]:
        found, of = held(rows)
        return as_floats(found) * 2 - 1, of

    return _examples(run, look_up, len(labels), shape, batch_size, flip)


def of_latents(run: "Run", *, batch_size: int) -> Examples:
    """Return the latents of a run's training images."""
    store = run.latents
    num, read = sum(store.counts), store.gather
    if num * torch.Size(store.shape).numel() * 4 <= _ON_DEVICE_BYTES:
        read = _held(*store.gather(torch.arange(num)), run.world.device)
    return _examples(run, read, num, store.shape, batch_size, flip=False)


def of_validation(run: "Run", space: SampleSpace, *, batch_size: int) -> Examples | None:
    """Return validation images, or their latents; None if there are none."""
    images = run.images
    if len(images.val) == 0:
        return None
    rows = keyed.permutation(len(images.val), "prior validation")[:_MOST_VALIDATION]
    size = run.autoencoder.image_size if space == "latents" else None
    parts = [
        _samples_of(run, space, as_floats(images.some("val", some, size)), some)
        for some in rows.split(images.batch_size)
    ]
    samples, labels = torch.cat(parts), images.val.labels[rows]
    read = _held(samples, labels, run.world.device)
    return _examples(run, read, len(rows), tuple(samples.shape[1:]), batch_size, flip=False)


def _samples_of(run: "Run", space: SampleSpace, images: Tensor, rows: Tensor) -> Tensor:
    """Return what a prior sees of images in [0, 1], in the host's memory."""
    if space == "pixels":
        return images * 2 - 1
    autoencoder, noise = run.autoencoder.eval(), None
    if autoencoder.samples:
        shape = autoencoder.latent_shape(images.shape[1], images.shape[-1])
        seed = keyed.seed_of("posterior of validation", run.seed)
        noise = keyed.normal(seed, rows, shape).to(run.world.device)
    with torch.no_grad():
        return autoencoder.encode(images.to(run.world.device), noise).float().cpu()


def _held(samples: Tensor, labels: Tensor, device: torch.device) -> Read:
    place = device if samples.nbytes <= _ON_DEVICE_BYTES else torch.device("cpu")
    samples, labels = samples.to(place), labels.to(place)

    def read(rows: Tensor) -> tuple[Tensor, Tensor]:
        rows = rows.to(place)
        return samples[rows], labels[rows]

    return read


def _examples(
    run: "Run", read: Read, num: int, shape: tuple[int, ...], batch_size: int, flip: bool
) -> Examples:
    world = run.world
    if batch_size < world.size:
        raise UsageError(
            f"pretrain.prior.batch_size={batch_size} cannot be shared by {world.size} ranks",
            "use fewer devices, or a larger batch",
        )
    return Examples(
        read=read,
        num=num,
        shape=shape,
        batch_size=batch_size,
        seed=run.recipe.seed,
        flip=flip,
        device=world.device,
        rank=world.rank,
        world_size=world.size,
    )
