"""The loop of decoding: padded blocks of one shape, laid out by (class, k)."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ddoq.data.conversion import as_bytes, as_floats, resized
from ddoq.errors import IntegrityError, ResourceError, is_out_of_memory
from ddoq.files.tensors import join_tensors, read_tensors, write_tensors
from ddoq.processes.world import World
from ddoq.quantize.blocks import Company, Layout, PointBlock, layout
from ddoq.quantize.quantization import Quantization
from ddoq.recipe.plugin import expect_tensor

# Where a decoder leaves the size of a block open, decoding begins with so many points.
_LARGEST = {"cuda": 512, "cpu": 64}


@runtime_checkable
class Decoder(Protocol):
    """Turns points into images. An image depends on its point and (seed, class, k) only.

    A decoder with `by_class = True` gets blocks of a single class, in order, with the class's other
    points and its images so far (`block.company`). Its images may depend on these too.
    """

    block: int | None
    """How many points it takes at once. If None, as many as fit."""

    def decode(self, block: PointBlock) -> Float[Tensor, "block c h w"]:
        """Return images in [0, 1]."""
        ...


def decode(
    quantization: Quantization,
    decoder: Decoder,
    work: Path,
    *,
    image_size: int,
    world: World,
    points: Quantization | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Decode every row of a quantization into `work`. Finished blocks are kept.

    Ranks share the blocks, or the classes if the decoder asks for whole ones. `points` are those of
    the classes if the rows are not.
    """
    size = decoder.block or _LARGEST.get(world.device.type, _LARGEST["cpu"])
    by_class = getattr(decoder, "by_class", False)
    blocks = layout(quantization, size, by_class=by_class)
    parts = [work / f"block-{number:05d}.safetensors" for number in range(len(blocks))]
    loop = _Loop(quantization, points or quantization, decoder, blocks, parts, image_size, by_class)
    with ThreadPoolExecutor(max_workers=1) as writer:
        for group in world.share(_groups(blocks, quantization, by_class=by_class)):
            for num in loop.decoded(group, writer):
                advance(num * world.size)
        loop.wait()
    world.barrier()
    if world.is_first:
        join_tensors(work / _FILE, parts, [_NAME])
        for part in parts:
            part.unlink()


def _groups(blocks: Layout, quantization: Quantization, *, by_class: bool) -> list[list[int]]:
    """Return the numbers of the blocks that one rank makes in order."""
    if not by_class:
        return [[number] for number in range(len(blocks))]
    labels = [int(quantization.labels[rows[0]]) for rows in blocks.rows]
    return [[n for n, label in enumerate(labels) if label == c] for c in dict.fromkeys(labels)]


@dataclass
class _Loop:
    """What is decoded by what, and where the images go."""

    quantization: Quantization
    points: Quantization
    decoder: Decoder
    blocks: Layout
    parts: list[Path]
    image_size: int
    by_class: bool
    most: int | None = None
    """How many points fit into memory, once that is known."""
    pending: Future[None] | None = None
    """The block that is being written while the next one is decoded."""

    def decoded(self, group: list[int], writer: ThreadPoolExecutor) -> Iterator[int]:
        """Decode the blocks of a group in order, and yield how many images each has."""
        for place, number in enumerate(group):
            if not self.parts[number].exists():
                block = self.blocks.block(self.quantization, number)
                if self.by_class:
                    self.wait()
                    block = replace(block, company=self._company(block, group[:place]))
                images = self._images(block)[: block.num]
                self.wait()
                self.pending = writer.submit(write_tensors, self.parts[number], {_NAME: images})
            yield self.blocks.nums[number]

    def wait(self) -> None:
        """Wait until the last block is written, and raise what went wrong."""
        if self.pending is not None:
            self.pending.result()

    def _company(self, block: PointBlock, earlier: list[int]) -> Company:
        first, end = self.points.offsets[block.labels[0] : block.labels[0] + 2].tolist()
        made = [read_tensors(self.parts[number])[_NAME] for number in earlier]
        return Company(
            self.points.points[first:end].float(),
            self.points.masses[first:end],
            as_floats(torch.cat(made)) if made else torch.zeros(0, 1, 1, 1),
        )

    def _images(self, block: PointBlock) -> UInt8[Tensor, "block c h w"]:
        """Return a block's images in 8 bits, on the CPU."""
        with torch.inference_mode():
            images = self._fitting(block)
        shape = (len(block.labels), *getattr(images, "shape", (0,) * 4)[-3:])
        expect_tensor(images, shape, self.decoder.decode, "decode")
        _refuse_non_finite(images, block)
        return resized(as_bytes(images.float()).cpu(), self.image_size)

    def _fitting(self, block: PointBlock) -> Any:
        """Decode a block, in smaller parts if the memory is too small for it."""
        size = self.most or len(block.labels)
        try:
            if size >= len(block.labels):
                return self.decoder.decode(block)
            number = len(block.labels)
            parts = [self.decoder.decode(block.part(i, size)) for i in range(0, number, size)]
            return torch.cat(parts)[:number]
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if size == 1 or block.company is not None:
                raise ResourceError(
                    f"decode: {size} points do not fit into the memory of the device",
                    "set a smaller decoder.block, or prior.dtype=bfloat16",
                ) from error
            self.most = size // 2
        return self._fitting(block)


def _refuse_non_finite(images: Tensor, block: PointBlock) -> None:
    is_bad = ~images.flatten(1).isfinite().all(1).cpu()
    if bool(is_bad.any()):
        label, rank = int(block.labels[is_bad][0]), int(block.ranks[is_bad][0])
        raise IntegrityError(
            f"decode: point {rank} of class {label} became an image that is not finite",
            "lower decoder.guidance, or use full precision",
        )


_FILE, _NAME = "images.safetensors", "images"


def read_images(folder: Path) -> UInt8[Tensor, "n c h w"]:
    """Read what `decode` wrote. The images are mapped from the disk."""
    return read_tensors(folder / _FILE)[_NAME]
