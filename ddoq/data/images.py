"""The real labeled images of a run: train, validation and test, with stable class ids."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from ddoq.data.batches import Batches
from ddoq.data.conversion import as_floats
from ddoq.data.preprocessing import Normalize
from ddoq.data.source import Source, Split
from ddoq.errors import DataError, ResourceError
from ddoq.files.artifacts import fingerprint
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

_IN_MEMORY_BYTES = 4 * 2**30
# The most decoded bytes kept on disk: ImageNet's training images at 64 pixels or its test images
# at 256 fit.
_ON_DISK_BYTES = 32 * 2**30
_UNSAID = Size()


# From a split's name, a size and indices (None for all) to these images, which are decoded once
# for all processes and mapped from the disk.
Keep = Callable[[str, int, Int[Tensor, " m"] | None], UInt8[Tensor, "n channels size size"]]


class Images:
    """The real labeled images, as the rest of the program sees them.

    Args:
        source: The source of the images.
        batch_size: How many are read at a time.
        made_by: What determines the source, besides its own fingerprint.
        keep: Returns decoded images that stay on disk. Without it they stay in memory.
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int = 256,
        made_by: Mapping[str, Any] | None = None,
        keep: Keep | None = None,
    ) -> None:
        for name in ("train", "test"):
            if len(getattr(source, name)) == 0:
                raise DataError(f"the {name} split has no images", "check data.root")
        _refuse_empty(source.train, source.class_ids)
        self.modality: str = getattr(source, "modality", "image")
        self.train, self.val, self.test = source.train, source.val, source.test
        self.class_names, self.class_ids = source.class_names, source.class_ids
        self.channels, self.image_size = source.channels, source.image_size
        self.mean, self.std = source.mean, source.std
        self.fingerprint = fingerprint(
            {
                "source": [source.fingerprint, made_by],
                "classes": source.class_ids,
                "size": [source.channels, source.image_size],
                "normalization": [[*map(float, source.mean)], [*map(float, source.std)]],
            }
        )
        self.batch_size, self._keep = batch_size, keep
        self._pixels: dict[tuple[str, int], Tensor] = {}

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_ids)

    @property
    def counts(self) -> Int[Tensor, " classes"]:
        """The number of training images of each class."""
        return torch.bincount(self.train.labels, minlength=self.num_classes)

    @property
    def preprocessing(self) -> Normalize:
        """The preprocessing of images for students."""
        return Normalize(tuple(map(float, self.mean)), tuple(map(float, self.std)))

    def select(self, indices: Int[Tensor, " m"], about: Any = None) -> "Images":
        """Return these images with only some of the training images.

        `about` describes the choice besides its indices. It is part of the fingerprint.
        """
        part = copy.copy(self)
        part.train = self.train.select(indices)
        _refuse_empty(part.train, self.class_ids)
        chosen = {"images": self.fingerprint, "indices": indices.tolist(), "about": about}
        part.fingerprint = fingerprint(chosen)
        part._pixels = {k: v for k, v in self._pixels.items() if k[0] != "train"}
        part._keep = self._narrowed(indices) if self._keep else None
        return part

    def tested_on(self, split: Split, about: Any) -> "Images":
        """Return these images with others to measure on, in place of both val and test.

        `about` describes them. It is part of the fingerprint.
        """
        part = copy.copy(self)
        part.val = part.test = split
        part.fingerprint = fingerprint({"images": self.fingerprint, "tested on": about})
        part._pixels = {k: v for k, v in self._pixels.items() if k[0] == "train"}
        return part

    def _narrowed(self, indices: Int[Tensor, " m"]) -> Keep:
        """Return a `Keep` for some of the training images, with the other splits as they are."""

        def keep(name: str, size: int, rows: Int[Tensor, " m"] | None) -> Tensor:
            assert self._keep is not None
            if name == "train":
                rows = indices if rows is None else indices[rows]
            return self._keep(name, size, rows)

        return keep

    def split(self, name: str) -> Split:
        """Return the train, val or test split."""
        splits = {"train": self.train, "val": self.val, "test": self.test}
        if name not in splits or len(splits[name]) == 0:
            raise DataError(
                f"there are no {name!r} images to measure on",
                f"use one of {', '.join(k for k, v in splits.items() if len(v))}",
            )
        return splits[name]

    def pixels(self, name: str, size: int | None = None) -> UInt8[Tensor, "n channels size size"]:
        """Return all images of a split, decoded once and kept."""
        size = size or self.image_size
        if (name, size) not in self._pixels:
            keep, split = self._keep_of(name), self.split(name)
            self._pixels[name, size] = (
                keep(name, size, None) if keep else split.read(torch.arange(len(split)), size)
            )
        return self._pixels[name, size]

    def some(
        self, name: str, indices: Int[Tensor, " m"], size: int | None = None
    ) -> UInt8[Tensor, "m channels size size"]:
        """Return some images of a split. If all its images are kept, they are taken from these."""
        size = size or self.image_size
        if self._are_kept(name, size):
            return self.pixels(name, size)[indices]
        return self.split(name).read(indices, size)

    def fits_in_memory(self, name: str) -> bool:
        """Say whether a whole split may be decoded at once."""
        return self._num_bytes(name, self.image_size) <= _IN_MEMORY_BYTES

    def _num_bytes(self, name: str, size: int) -> int:
        return len(self.split(name)) * self.channels * size**2

    def _keep_of(self, name: str) -> Keep | None:
        return None if self.split(name).is_held else self._keep

    def _are_kept(self, name: str, size: int) -> bool:
        most = _ON_DISK_BYTES if self._keep_of(name) else _IN_MEMORY_BYTES
        return self._num_bytes(name, size) <= most

    def class_batch(self, label: int, num: int, generator: torch.Generator) -> Tensor:
        """Return `num` random training images of a class, as floats in [0, 1]."""
        indices = self.train.of_class(label)
        chosen = indices[torch.randperm(len(indices), generator=generator)[:num]]
        return as_floats(self.some("train", chosen))

    def subset(
        self,
        indices: Int[Tensor, " m"],
        weights: Tensor | None = None,
        *,
        distiller: str = "subset",
        size: Size = _UNSAID,
    ) -> SyntheticSet:
        """Return some training images as a set, by default each with weight 1."""
        return self._set(self._drawn(indices), indices, weights, distiller, size)

    def _drawn(self, indices: Int[Tensor, " m"]) -> UInt8[Tensor, "m channels size size"]:
        """Return training images. Every process that trains on them asks for them again."""
        keep = self._keep_of("train")
        if keep is None or self._are_kept("train", self.image_size):
            return self.some("train", indices)
        return keep("train", self.image_size, indices)

    def _set(
        self,
        pixels: UInt8[Tensor, "m channels size size"],
        indices: Int[Tensor, " m"],
        weights: Tensor | None,
        distiller: str,
        size: Size,
    ) -> SyntheticSet:
        return SyntheticSet(
            images=pixels,
            labels=self.train.labels[indices],
            weights=torch.ones(len(indices)) if weights is None else weights,
            class_names=self.class_names,
            class_ids=self.class_ids,
            space="image",
            columns={"source": indices.tolist()},
            provenance={"distiller": distiller, "images": self.fingerprint, **size.key},
        )

    def whole(self) -> SyntheticSet:
        """Return all training images as a set. If they are kept on disk, they are mapped."""
        if not self.fits_in_memory("train"):
            raise ResourceError(
                f"the {len(self.train)} training images do not fit in memory",
                "choose a smaller data.image_size, give weights by source= instead of training, "
                "or quote a published number (evaluation.quoted) instead of the row `full`",
            )
        indices = torch.arange(len(self.train))
        return self._set(self.pixels("train"), indices, None, "full", _UNSAID)

    def batches(
        self,
        name: str,
        *,
        rank: int = 0,
        world_size: int = 1,
        margin: bool = False,
        batch_size: int | None = None,
    ) -> Batches:
        """Return a rank's part of a split. Over all ranks each image occurs once.

        With a margin, images are resized to 8/7 of their size, and their center is cropped.
        """
        return Batches(self, name, batch_size or self.batch_size, rank, world_size, margin)


def _refuse_empty(train: Split, class_ids: tuple[str, ...]) -> None:
    empty = set(range(len(class_ids))) - set(train.labels.unique().tolist())
    if empty:
        raise DataError(
            f"class {class_ids[min(empty)]!r} has no training images",
            "give it some, or remove the class",
        )
