"""Decoded images in the cache. Each is decoded once, by the processes that ask for it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from ddoq.data import pixels
from ddoq.errors import NotMade
from ddoq.files.artifacts import fingerprint
from ddoq.files.stage import Stage

if TYPE_CHECKING:
    from ddoq.run import Run

_PIXELS = Stage("pixels", 1)


def kept(
    run: "Run", name: str, size: int, rows: Int[Tensor, " m"] | None = None
) -> UInt8[Tensor, "n c size size"]:
    """Return images of a split at a size, mapped from the cache. By default all are returned.

    This makes no collective call, so one rank may ask alone, in the middle of a stage.
    """
    split = run.images.split(name)
    key: dict[str, Any] = {"images": run.images.fingerprint, "split": name, "size": size}
    if rows is not None:
        key["rows"] = fingerprint(rows.tolist())
    if not (run.makes or run.is_done(_PIXELS, key)):
        raise NotMade
    chosen = torch.arange(len(split)) if rows is None else rows
    locks: set[Path] = set()

    def make(work: Path, is_done: Callable[[], bool]) -> None:
        locks.add(pixels.locks(work))
        with run.console.stage(f"decode {name} images", len(chosen)) as bar:
            pixels.decode(
                split,
                chosen,
                size,
                work,
                first=run.world.share,
                is_done=is_done,
                advance=bar.advance,
            )

    folder = run.cache.stage_in_parts(
        _PIXELS.name, _PIXELS.versioned(key), make, lambda work: pixels.join(work, len(chosen))
    )
    for place in locks:
        shutil.rmtree(place, ignore_errors=True)
    return pixels.mapped(folder)
