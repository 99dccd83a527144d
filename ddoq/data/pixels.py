"""Folders of decoded pictures: decoded once, then read by all processes.

A folder has one safetensors file of 8-bit images in order, which is mapped from the disk. All
processes that ask for it, ranks or not, make it in parts: each takes a part that none works on.
So no process waits for one that never asks, and an interrupted call resumes.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout
from jaxtyping import Int, UInt8
from torch import Tensor

from ddoq.data.source import Split
from ddoq.files.tensors import join_tensors, read_tensors, write_tensors

_FILE = "pixels.safetensors"
# A large photograph takes 0.2 s, so a part takes at most a minute or two.
_PER_PART = 512
_LOOK_SECONDS = 0.1


def decode(
    split: Split,
    rows: Int[Tensor, " n"],
    size: int,
    work: Path,
    *,
    first: Callable[[Sequence[int]], list[int]] = list,
    is_done: Callable[[], bool] = lambda: False,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Decode the images that are missing in `work`, and return when none is.

    Args:
        split: The split of the images.
        rows: Their indices in the split.
        size: Their side in pixels.
        work: The folder to write to, the same for all processes.
        first: The numbers of the parts to begin with. The other parts follow.
        is_done: Says whether another process has published all images meanwhile.
        advance: Called with the number of images that this or another process decoded.
    """
    parts = rows.split(_PER_PART)
    own = first(range(len(parts)))
    waiting = [*own, *sorted(set(range(len(parts))) - set(own))]
    while waiting and not (is_done() or (work / _FILE).exists()):
        left: list[int] = []
        for number in waiting:
            _decode_part(split, parts[number], size, work, number, is_done)
            if _part(work, number).exists():
                advance(len(parts[number]))
            else:
                left.append(number)
        waiting = left
        if waiting:
            time.sleep(_LOOK_SECONDS)


def _decode_part(
    split: Split,
    rows: Int[Tensor, " n"],
    size: int,
    work: Path,
    number: int,
    is_done: Callable[[], bool],
) -> None:
    """Decode a part, unless it is done or another process works on it."""
    file = _part(work, number)
    if file.exists():
        return
    locks(work).mkdir(exist_ok=True)
    with contextlib.suppress(Timeout), FileLock(locks(work) / file.stem, blocking=False):
        # The parts disappear when they are joined, and the whole folder when it is published.
        if not (file.exists() or (work / _FILE).exists() or is_done()):
            write_tensors(file, {"pixels": split.read(rows, size)})


def _part(work: Path, number: int) -> Path:
    return work / f"part-{number:05d}.safetensors"


def locks(work: Path) -> Path:
    """Return the folder of the locks of parts, which lies beside what is published, not in it."""
    return work.with_name(f"{work.name}.locks")


def join(work: Path, num: int) -> None:
    """Join the parts of `num` images. Only one process may do this."""
    parts = [_part(work, n) for n in range(-(-num // _PER_PART))]
    if not (work / _FILE).exists():
        join_tensors(work / _FILE, parts, ["pixels"])
    for part in parts:
        part.unlink(missing_ok=True)


def mapped(folder: Path) -> UInt8[Tensor, "n c h w"]:
    """Return all images of a finished folder, in order. They are read when they are used."""
    return read_tensors(folder / _FILE)["pixels"]
