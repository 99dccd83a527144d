"""Encoding of images to latents on disk, shared by ranks and resumed after an interrupt."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ddoq import keyed
from ddoq.data.conversion import as_floats
from ddoq.data.images import Images
from ddoq.errors import IntegrityError
from ddoq.files.artifacts import write_json
from ddoq.files.stage import PRETRAIN, Stage
from ddoq.files.tensors import write_tensors
from ddoq.processes.world import World
from ddoq.recipe.plugin import expect_tensor

LATENTS = Stage("latents", 1, (PRETRAIN,))
_DTYPES = {"float16": torch.float16, "float32": torch.float32}


def encode(
    images: Images,
    autoencoder: Any,
    work: Path,
    *,
    seed: int,
    world: World,
    shard_bytes: int = 256 * 2**20,
    batch_size: int = 64,
    about: Mapping[str, Any] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the training images' latents. Shards are shared among the ranks.

    A shard that is already there is kept, so an interrupted call resumes where it stopped.
    No batch holds two classes, so a latent does not depend on how classes are dealt out.
    """
    autoencoder.to(world.device).eval()
    size = autoencoder.image_size or images.image_size
    shape = autoencoder.latent_shape(images.channels, size)
    dtype = _DTYPES[autoencoder.dtype]
    counts = torch.bincount(images.train.labels, minlength=images.num_classes).tolist()
    latent_bytes = torch.Size(shape).numel() * dtype.itemsize
    shards = _shards(counts, per_shard=max(1, shard_bytes // latent_bytes))
    names = [f"shard-{number:05d}.safetensors" for number in range(len(shards))]
    for number in world.share(range(len(shards))):
        if (work / names[number]).exists():
            continue
        parts: list[Tensor] = []
        for c in shards[number]:
            parts.append(
                _encode_class(images, autoencoder, c, size, shape, seed, batch_size, world)
            )
            # Ranks are about equally fast, so one rank's progress is shown for all.
            advance(counts[c] * world.size)
        index = torch.cat([images.train.of_class(c) for c in shards[number]])
        write_tensors(work / names[number], {"latents": torch.cat(parts), "index": index})
    if world.is_first:
        manifest = _manifest(images, autoencoder, shape, shards, names, counts)
        write_json(work / "manifest.json", {**manifest, **(about or {})})


def _shards(counts: Sequence[int], *, per_shard: int) -> list[list[int]]:
    """Group whole classes, in order, into shards of about `per_shard` latents."""
    shards: list[list[int]] = []
    filled = per_shard
    for label, count in enumerate(counts):
        if filled + count > per_shard:
            shards.append([])
            filled = 0
        shards[-1].append(label)
        filled += count
    return shards


def _encode_class(
    images: Images,
    autoencoder: Any,
    label: int,
    size: int,
    shape: tuple[int, ...],
    seed: int,
    batch_size: int,
    world: World,
) -> Tensor:
    dtype = _DTYPES[autoencoder.dtype]
    encoded = [torch.empty(0, *shape, dtype=dtype)]
    for indices in images.train.of_class(label).split(batch_size):
        pixels = as_floats(_read(images, indices, size)).to(world.device)
        noise = None
        if autoencoder.samples:
            # Draws are keyed by image, so they are the same on any rank and in any batch.
            noise = keyed.normal(keyed.seed_of("posterior", seed), indices, shape).to(pixels)
        with torch.inference_mode():
            latents = autoencoder.encode(pixels, noise)
        expect_tensor(latents, (len(pixels), *shape), autoencoder.encode, "encode")
        # Check the values as stored: float16 overflows above 65504.
        latents = latents.float().cpu().to(dtype)
        if not bool(latents.isfinite().all()):
            raise IntegrityError(
                f"encode: class {images.class_names[label]!r} has latents that are not finite",
                "check the autoencoder's weights, or use dtype=float32",
            )
        encoded.append(latents)
    return torch.cat(encoded)


def _read(images: Images, indices: Tensor, size: int) -> Tensor:
    # Images at a size that nothing else uses are not kept.
    if size == images.image_size:
        return images.some("train", indices)
    return images.train.read(indices, size)


def _manifest(
    images: Images,
    autoencoder: Any,
    shape: tuple[int, ...],
    shards: list[list[int]],
    names: list[str],
    counts: list[int],
) -> dict[str, Any]:
    classes: dict[int, dict[str, Any]] = {}
    for name, labels in zip(names, shards, strict=True):
        start = 0
        for label in labels:
            classes[label] = {
                "id": images.class_ids[label],
                "name": images.class_names[label],
                "count": counts[label],
                "shard": name,
                "start": start,
            }
            start += counts[label]
    return {
        "kind": "latents",
        "images": images.fingerprint,
        "shape": list(shape),
        "dtype": autoencoder.dtype,
        "scale": autoencoder.scale,
        "shift": autoencoder.shift,
        "classes": [classes[label] for label in range(len(counts))],
    }
