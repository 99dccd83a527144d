"""Stores of latents on disk, and the order of their streams.

A `LatentStore` is a folder with `manifest.json` and safetensors shards of whole classes. In a shard
each class is one contiguous slice, and every row has its source index. Any program can read it.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from safetensors import SafetensorError
from torch import Tensor

from ddoq import keyed
from ddoq.errors import DataError, IntegrityError
from ddoq.files.artifacts import read_json, verify
from ddoq.files.given import intact
from ddoq.files.tensors import read_tensors


@dataclass(frozen=True)
class LatentStore:
    """Latents on disk, grouped by class and memory-mapped."""

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "LatentStore":
        """Open a finished store."""
        return cls(folder, read_json(folder / "manifest.json"))

    @classmethod
    def given(cls, folder: Path) -> "LatentStore":
        """Open a store that a user names, or refuse it if it is damaged or not such a store."""
        if not (folder / "manifest.json").is_file():
            raise DataError(
                f"{folder} is no latent store: it has no manifest.json",
                "give a folder that `python -m ddoq.encode out=FOLDER` wrote",
            )
        with intact(folder):
            store = cls.open(folder)
            if "files" in store.manifest:
                verify(folder)
            for label in range(len(store.counts)):
                store.check(label)
        return store

    def check(self, label: int) -> None:
        """Refuse a class whose latents differ in number, shape or type from the manifest."""
        entry = self.manifest["classes"][label]
        place = f"{self.folder / entry['shard']}, class {entry.get('name', label)}"
        try:
            latents = self.latents(label)
        except (OSError, SafetensorError, KeyError) as error:
            raise IntegrityError(
                f"{place} cannot be read ({error})", "copy it again, or encode again"
            ) from error
        found = (len(latents), tuple(latents.shape[1:]), str(latents.dtype).split(".")[1])
        said = (entry["count"], self.shape, self.manifest.get("dtype", found[2]))
        if found != said:
            raise IntegrityError(
                f"{place}: {found[0]} latents {found[1]} {found[2]}, the manifest says "
                f"{said[0]} {said[1]} {said[2]}",
                "a store holds latents of one shape and type; encode again",
            )

    @property
    def counts(self) -> list[int]:
        """The number of latents of each class."""
        return [c["count"] for c in self.manifest["classes"]]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one latent."""
        return tuple(self.manifest["shape"])

    @functools.cached_property
    def _shards(self) -> dict[str, dict[str, Tensor]]:
        return {}

    def _slice(self, label: int, tensor: str) -> Tensor:
        entry = self.manifest["classes"][label]
        shard = entry["shard"]
        if shard not in self._shards:
            self._shards[shard] = read_tensors(self.folder / shard)
        return self._shards[shard][tensor][entry["start"] : entry["start"] + entry["count"]]

    def latents(self, label: int) -> Tensor:
        """Return the latents of a class: one zero-copy slice."""
        return self._slice(label, "latents")

    def index(self, label: int) -> Int[Tensor, " n"]:
        """Return the index of the training image of each latent of a class."""
        return self._slice(label, "index")

    def gather(self, rows: Int[Tensor, " m"]) -> tuple[Tensor, Int[Tensor, " m"]]:
        """Return (latents, labels) of rows counted over all classes in order."""
        bounds = torch.tensor([0, *self.counts]).cumsum(0)
        labels = torch.searchsorted(bounds, rows, right=True) - 1
        out = torch.empty(len(rows), *self.shape)
        for label in labels.unique().tolist():
            where = torch.nonzero(labels == label).flatten()
            out[where] = self.latents(label)[rows[where] - bounds[label]].float()
        return out, labels


def deal(counts: Sequence[int], num_ranks: int) -> list[list[int]]:
    """Deal classes to ranks, the largest first, each to the rank with the fewest latents so far.

    >>> deal([5, 9, 5, 1], 2)
    [[1, 3], [0, 2]]
    """
    hands: list[list[int]] = [[] for _ in range(num_ranks)]
    loads = [0] * num_ranks
    for label in sorted(range(len(counts)), key=lambda c: (-counts[c], c)):
        rank = loads.index(min(loads))
        hands[rank].append(label)
        loads[rank] += counts[label]
    return hands


@functools.lru_cache(maxsize=2)
def _epoch_order(num: int, seed: int, epoch: int) -> Int[Tensor, " num"]:
    """Return an epoch's order. Two are in use if a batch spans two epochs."""
    return keyed.permutation(num, "latents", seed, epoch)


def shuffled(positions: Int[Tensor, " n"], num: int, seed: int) -> Int[Tensor, " n"]:
    """Return the rows, of `num`, at some positions of a stream of shuffled epochs.

    Position p belongs to epoch p // num. Within an epoch no row is repeated or left out.
    """
    rows = torch.empty_like(positions)
    for epoch in (positions // num).unique().tolist():
        inside = positions // num == epoch
        rows[inside] = _epoch_order(num, seed, epoch)[positions[inside] % num]
    return rows
