"""Where do the latents of each class come from, and which of them are held out?"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq import keyed
from ddoq.errors import IntegrityError, UsageError


@dataclass(frozen=True)
class Halves:
    """The latents of a class that are fitted, and those that are not."""

    fit: Float[Tensor, "n dim"]
    held_out: Float[Tensor, "h dim"]


@dataclass(frozen=True)
class ClassSource:
    """One class of a store or a file, read when it is asked for."""

    label: int
    name: str
    count: int
    read: Callable[[], Tensor]

    def latents(self) -> Float[Tensor, "n dim"]:
        """Return the latents, one row each."""
        flat = self.read().flatten(1)
        if not bool(flat.isfinite().all()):
            raise IntegrityError(
                f"class {self.name} has latents that are not finite", "encode anew"
            )
        return flat

    def num_fit(self, held_out: float) -> int:
        """Return how many latents are fitted if that share is held out."""
        return self.count - round(self.count * held_out)


def open_classes(path: Path, num_classes: int) -> list[ClassSource]:
    """Open the first classes of a store or of a safetensors file; 0 means all."""
    found = _of_file(path) if path.is_file() else _of_store(path)
    if num_classes > len(found):
        raise UsageError(
            f"classes={num_classes}, but {path} has {len(found)}", "classes=0 takes them all"
        )
    return found[: num_classes or None]


def halves(latents: Float[Tensor, "n dim"], num_fit: int, *, seed: int, label: int) -> Halves:
    """Split a class at random: the first part of a permutation is fitted."""
    order = keyed.permutation(len(latents), "ablate split", seed, label)
    return Halves(latents[order[:num_fit]], latents[order[num_fit:]])


def digest(latents: Float[Tensor, "n dim"]) -> str:
    """Return the SHA-256 of the latents' bytes."""
    content = latents.contiguous().view(torch.uint8).numpy()
    return hashlib.sha256(content.data).hexdigest()


def _of_store(folder: Path) -> list[ClassSource]:
    from ddoq.data.latents import LatentStore

    store = LatentStore.given(folder)

    def reader(label: int) -> Callable[[], Tensor]:
        return lambda: store.latents(label)

    entries = enumerate(store.manifest["classes"])
    return [ClassSource(c, e.get("name", str(c)), e["count"], reader(c)) for c, e in entries]


def _of_file(path: Path) -> list[ClassSource]:
    from safetensors import safe_open

    def reader(name: str) -> Callable[[], Tensor]:
        def read() -> Tensor:
            with safe_open(path, "pt") as tensors:
                return tensors.get_tensor(name)

        return read

    with safe_open(path, "pt") as tensors:
        names: list[str] = list(tensors.keys())
        shapes = {name: tensors.get_slice(name).get_shape() for name in names}
    for name, shape in shapes.items():
        if len(shape) < 2:
            raise UsageError(
                f"{path}: {name} has the shape {shape}", "give one tensor [n, ...] per class"
            )
    return [ClassSource(c, name, shapes[name][0], reader(name)) for c, name in enumerate(names)]
