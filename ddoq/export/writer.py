"""What a format is to the rest of the program: how it is written, and how others read it."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ddoq.export.exported import PICTURE_MODES, Exported

# The approximate size of a file that holds many images.
_FILE_BYTES = 400 * 2**20


@dataclass(frozen=True, kw_only=True)
class Writer:
    """A format to write."""

    write: Callable[[Exported, Path], None]
    loading: str
    """A few lines of Python that open an export, without ddoq."""
    reading: str
    """The function `read` of an export's `train.py`, as a template."""
    holds_floats: bool = True
    data_files: str = ""
    """Where the Hub finds the data; empty if it cannot show them."""


def png(image: Tensor, *, optimize: bool = True) -> bytes:
    """Return an 8-bit image of one or three channels as a PNG file."""
    stream = io.BytesIO()
    array = image.permute(1, 2, 0).contiguous().numpy()
    mode = PICTURE_MODES[len(image)]
    Image.fromarray(array[:, :, 0] if mode == "L" else array).save(stream, "PNG", optimize=optimize)
    return stream.getvalue()


def shards(images: Tensor) -> list[list[int]]:
    """Return which images go into each file, if a file is not to become large."""
    per_file = max(1, _FILE_BYTES // images[0].nbytes)
    return [ids.tolist() for ids in torch.arange(len(images)).split(per_file)]
