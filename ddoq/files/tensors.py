"""Safetensors files: written whole or not at all, joined, and mapped from the disk."""

import contextlib
import json
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ddoq.errors import ResourceError, refused_by_the_machine
from ddoq.files.artifacts import replacing


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file so that it is complete or absent."""
    from safetensors.torch import save_file

    num_bytes = sum(t.nbytes for t in tensors.values())
    with _room(file, num_bytes), replacing(file) as temporary:
        save_file({k: t.contiguous().cpu() for k, t in tensors.items()}, temporary)


@contextlib.contextmanager
def _room(file: Path, num_bytes: int) -> Generator[None]:
    """Name the file and its size if the machine refuses to write it."""
    try:
        yield
    except Exception as error:  # The Rust writer has its own error type.
        cause = refused_by_the_machine(error)
        if cause is None:
            raise
        raise ResourceError(
            f"{cause}: {file}, of {num_bytes:,} bytes",
            "make room for it, or choose another cache= and out=",
        ) from error


def join_tensors(file: Path, parts: Sequence[Path], names: Sequence[str]) -> None:
    """Concatenate the tensors of several safetensors files, with one part in memory at a time."""
    layout = {name: _joined(parts, name) for name in names}
    header: dict[str, Any] = {}
    start = 0
    for name, (kind, shape, num_bytes) in layout.items():
        offsets = [start, start + num_bytes]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": offsets}
        start += num_bytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with _room(file, start), replacing(file) as temporary, temporary.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            for one in parts:
                stream.write(read_tensors(one)[name].contiguous().numpy().tobytes())


def _joined(parts: Sequence[Path], name: str) -> tuple[str, list[int], int]:
    """Return the dtype, shape and bytes of the joined tensor `name`."""
    kinds = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64", "uint8": "U8"}
    first, total = read_tensors(parts[0])[name], 0
    for one in parts:
        total += len(read_tensors(one)[name])
    kind = kinds[str(first.dtype).removeprefix("torch.")]
    num_bytes = total * first.shape[1:].numel() * first.dtype.itemsize
    return kind, [total, *first.shape[1:]], num_bytes


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read a safetensors file. The tensors are mapped from the disk, not copied."""
    from safetensors.torch import load_file

    return load_file(file)
