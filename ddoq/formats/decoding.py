"""Picture files of a set: decoded as they are, or to a size that the user asks for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ddoq.data.pictures import converted, in_order, opened, reason
from ddoq.errors import DataError

T = TypeVar("T")

_GRAY = ("1", "L", "LA", "I;16")


def decoded(
    load: Callable[[int], bytes], names: Sequence[str], place: Path
) -> UInt8[Tensor, "n channels side side"]:
    """Decode all pictures of a set, which must be square and of one size.

    They are gray if all of them are.
    """
    headers = [_named(names[i], lambda i=i: _header(load(i))) for i in range(len(names))]
    if not headers:
        raise DataError(f"{place}: there are no pictures", "give a folder or files with pictures")
    sizes = dict.fromkeys(size for size, _ in headers)
    if len(sizes) > 1 or any(w != h for w, h in sizes):
        listed = ", ".join(f"{w}x{h}" for w, h in list(sizes)[:4])
        raise DataError(f"{place}: its pictures are {listed}", "give square pictures of one size")
    mode = "L" if all(is_gray for _, is_gray in headers) else "RGB"

    def pixels(index: int) -> Tensor:
        return _named(names[index], lambda: _pixels(load(index), mode))

    return torch.stack(list(in_order(pixels, range(len(names)))))


def _header(content: bytes) -> tuple[tuple[int, int], bool]:
    image = opened(content)
    return image.size, image.mode in _GRAY


def _pixels(content: bytes, mode: str) -> Tensor:
    image = np.array(converted(opened(content), mode))
    return torch.from_numpy(image.reshape(*image.shape[:2], -1)).permute(2, 0, 1)


def _named(name: str, read: Callable[[], T]) -> T:
    """Name the picture in an error about it."""
    try:
        return read()
    except Exception as error:  # Decoders raise anything on hostile bytes.
        raise DataError(f"{name}: {reason(error)}", "replace it, or remove it") from error
