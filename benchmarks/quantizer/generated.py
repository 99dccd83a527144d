"""A store of generated latents in the shape of a real one, for measurements of time and memory.

A class is a mixture of a few components on a low-rank subspace with a decaying spectrum, with a
little noise in all directions: n < d and no two classes alike, as with real latents.
"""

import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ddoq import keyed
from ddoq.data.latents import LatentStore
from ddoq.errors import UsageError
from ddoq.files.artifacts import read_json, write_json
from ddoq.files.tensors import write_tensors

CPU = torch.device("cpu")
_SHARD_BYTES = 256 * 2**20
_RANK = 64
_COMPONENTS = 6
_NOISE = 0.1


def shape_of(dim: int) -> tuple[int, ...]:
    """Return four square channels where that fits: (4, 32, 32) for 4096."""
    side = math.isqrt(dim // 4)
    return (4, side, side) if 4 * side**2 == dim else (dim,)


def class_latents(label: int, count: int, dim: int, device: torch.device = CPU) -> Tensor:
    """Return the float16 latents of a class; they depend on nothing but the arguments."""
    generator = torch.Generator(device)
    generator.manual_seed(keyed.seed_of("generated latents", label))
    drawn: dict[str, Any] = {"generator": generator, "device": device}
    rank = min(_RANK, dim)
    spectrum = torch.arange(1, rank + 1, device=device).pow(-0.5)
    factors = torch.randn(rank, dim, **drawn) * spectrum[:, None] / 4
    center = torch.randn(dim, **drawn) / 2
    centers = torch.randn(_COMPONENTS, rank, **drawn)
    component = torch.randint(_COMPONENTS, (count,), **drawn)
    places = centers[component] + torch.randn(count, rank, **drawn)
    latents = torch.randn(count, dim, **drawn).mul_(_NOISE).add_(center)
    return latents.addmm_(places, factors).half()


def generate(
    folder: Path,
    *,
    classes: int,
    count: int,
    dim: int,
    device: torch.device = CPU,
    seconds: float = math.inf,
) -> LatentStore:
    """Write the store unless it is there; shards hold whole classes, as ddoq's do.

    After `seconds` no further shard is begun: the store has fewer classes then. On another device
    the same kind of latents are drawn, but other numbers.
    """
    end = time.monotonic() + seconds
    asked: dict[str, Any] = {"classes": classes, "count": count, "dim": dim}
    if device.type != "cpu":
        asked["device"] = device.type
    manifest = folder / "manifest.json"
    if manifest.exists():
        found = read_json(manifest).get("generated")
        if found != asked:
            raise UsageError(f"{folder} holds {found}, not {asked}", "choose another store=")
        return LatentStore.open(folder)
    folder.mkdir(parents=True, exist_ok=True)
    per_shard = max(1, _SHARD_BYTES // (2 * dim * count))
    entries: list[dict[str, Any]] = []
    for number, first in enumerate(range(0, classes, per_shard)):
        if entries and time.monotonic() > end:
            break
        labels = range(first, min(first + per_shard, classes))
        name = f"shard-{number:05d}.safetensors"
        _write_shard(folder / name, labels, count, dim, device)
        entries += [_entry(label, count, name, label - first) for label in labels]
    about = {"kind": "latents", "images": "generated", "shape": list(shape_of(dim))}
    scaling = {"dtype": "float16", "scale": 1.0, "shift": 0.0}
    asked["classes"] = len(entries)
    write_json(manifest, {**about, **scaling, "classes": entries, "generated": asked})
    return LatentStore.open(folder)


def _write_shard(file: Path, labels: range, count: int, dim: int, device: torch.device) -> None:
    latents = torch.empty(len(labels) * count, *shape_of(dim), dtype=torch.float16)
    for place, label in enumerate(labels):
        rows = latents[place * count : (place + 1) * count]
        rows.copy_(class_latents(label, count, dim, device).view_as(rows))
    index = torch.arange(labels[0] * count, (labels[-1] + 1) * count)
    write_tensors(file, {"latents": latents, "index": index})


def _entry(label: int, count: int, shard: str, place: int) -> dict[str, Any]:
    name = f"class {label}"
    return {"id": name, "name": name, "count": count, "shard": shard, "start": place * count}


def first_classes(store: LatentStore, num: int) -> LatentStore:
    """Return the same store as if it had only its first classes, not yet mapped."""
    return LatentStore(store.folder, {**store.manifest, "classes": store.manifest["classes"][:num]})


def stream(store: LatentStore, buffer: Tensor) -> None:
    """Copy the store's classes, one after the other, into one buffer."""
    for label, count in enumerate(store.counts):
        buffer[:count].copy_(store.latents(label))


def buffer_for(store: LatentStore) -> Tensor:
    """Return a buffer for the largest class, its memory touched."""
    return torch.zeros(max(store.counts), *store.shape, dtype=torch.float16)
