"""The loop of decoding: padded blocks of one shape, laid out by (class, k)."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ddoq.data.conversion import as_bytes, resized
from ddoq.errors import IntegrityError
from ddoq.files.tensors import read_tensors, write_tensors
from ddoq.processes.world import World
from ddoq.quantize.blocks import PointBlock, layout
from ddoq.quantize.quantization import Quantization
from ddoq.recipe.plugin import expect_tensor


@runtime_checkable
class Decoder(Protocol):
    """Turns points into images. An image depends on its point and (seed, class, k) only."""

    block: int

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
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Decode every point into `work`. Ranks share the blocks, and finished ones are kept."""
    blocks = layout(quantization, decoder.block)
    parts = [work / f"block-{number:05d}.safetensors" for number in range(len(blocks))]
    for part, block in world.share(list(zip(parts, blocks, strict=True))):
        if not part.exists():
            with torch.inference_mode():
                images = decoder.decode(block)
            shape = (len(block.labels), *getattr(images, "shape", (0,) * 4)[-3:])
            expect_tensor(images, shape, decoder.decode, "decode")
            images = images.float().cpu()
            _refuse_non_finite(images, block)
            write_tensors(part, {"images": resized(as_bytes(images), image_size)})
        advance(decoder.block * world.size)
    world.barrier()
    if world.is_first:
        every = torch.cat([read_tensors(p)["images"] for p in parts])
        write_images(work, every[: len(quantization.labels)])
        for part in parts:
            part.unlink()


def _refuse_non_finite(images: Tensor, block: PointBlock) -> None:
    is_bad = ~images.flatten(1).isfinite().all(1)
    if bool(is_bad.any()):
        label, rank = int(block.labels[is_bad][0]), int(block.ranks[is_bad][0])
        raise IntegrityError(
            f"decode: point {rank} of class {label} became an image that is not finite",
            "lower decoder.guidance, or use full precision",
        )


def write_images(folder: Path, images: UInt8[Tensor, "n c h w"]) -> None:
    """Write decoded images into a stage's folder."""
    write_tensors(folder / "images.safetensors", {"images": images})


def read_images(folder: Path) -> UInt8[Tensor, "n c h w"]:
    """Read what `decode` wrote."""
    return read_tensors(folder / "images.safetensors")["images"]
