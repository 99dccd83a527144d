"""How are pictures decoded once, and then read by everybody?

A folder of one safetensors file: 8-bit images in order, mapped from the disk. It is made in parts
by all processes that ask for it at a time, ranks or not: each takes a part that nobody works on.
So nobody has to wait for a process that never asks, and what is interrupted goes on.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout
from jaxtyping import Int, UInt8
from torch import Tensor

from ddoq.data.images import Split
from ddoq.files.artifacts import join_tensors, read_tensors, write_tensors

_FILE = "pixels.safetensors"
# A large photograph takes 0.2 s, so a part is less than a minute or two of work.
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
    """Decode what is missing in `work`, and return when nothing is.

    Args:
        split: Where the images come from.
        rows: Which of them.
        size: Their side in pixels.
        work: The folder to write to, the same for all processes.
        first: Which of the numbers of parts to begin with; the others are helped with afterwards.
        is_done: Whether another process has published them all meanwhile.
        advance: Called with the number of images that were found decoded, by whomever.
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
    """Decode a part, unless that was done or somebody is at it."""
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
    """Return where processes say which part they are at: beside what is published, not in it."""
    return work.with_name(f"{work.name}.locks")


def join(work: Path, num: int) -> None:
    """Put the parts of `num` images together; only one process may do this."""
    parts = [_part(work, n) for n in range(-(-num // _PER_PART))]
    if not (work / _FILE).exists():
        join_tensors(work / _FILE, parts, ["pixels"])
    for part in parts:
        part.unlink(missing_ok=True)


def mapped(folder: Path) -> UInt8[Tensor, "n c h w"]:
    """Return all images of a finished folder, in order; they are read where they are used."""
    return read_tensors(folder / _FILE)["pixels"]
