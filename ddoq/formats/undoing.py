"""Undoing what was done to a set's images, so that 0 is black and 1 is white.

What was done is never guessed. Values are looked at only to refuse what cannot be right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.data.conversion import in_floats
from ddoq.data.preprocessing import ZCA, Preprocessing
from ddoq.errors import DataError, NotMade, UsageError
from ddoq.formats.likeness import likeness, real_sample
from ddoq.formats.named import Data, is_whitenable, preprocessing_of, shown
from ddoq.formats.told import ACCEPTED

# Values are taken to lie in [0, 1] with this much for rounding, of half precision too.
_ROUNDING = 2e-3
# At most this share of pixels may lie beyond the range by this much. Noise, where learning without
# bounds starts, and whitened images of CIFAR-10 with twice the contrast have up to 4 %. Images that
# are normalized twice, or undone as whitened, have 40 to 90 %; milder mistakes have less.
BEYOND, _MOST_BEYOND = 0.5, 0.05
# Numbers of an image up to which a whitening is made only to try it.
_TRIED = 3 * 32**2
# Whitened images misfit all else by more than this: if something fits better, none is tried.
_FITS = 0.25
# Pixels that are looked at; of a lattice this share is within this distance of a gray level.
_LOOKED_AT, _ON_LATTICE, _NEAR = 2**22, 0.99, 0.05


@dataclass(frozen=True)
class Undone:
    """Images whose preprocessing was undone."""

    images: Tensor
    name: str
    """What was undone, in words; empty if nothing was."""
    is_proven: bool = False
    """Whether all pixels are gray levels of 8 bits now: nothing else can have been done."""


def undone(images: Tensor, normalized: Any, data: Data | None, *, unusual: bool = False) -> Undone:
    """Undo what was done to images, or refuse what cannot have been done."""
    is_plain = images.dtype == torch.uint8 or _is_inside(images)
    if normalized in (None, "none"):
        if normalized is None and not is_plain:
            raise _question(images, data)
        _refuse_beyond(images, "none", unusual)
        return Undone(images, "")
    if is_plain:
        raise UsageError(
            f"normalized={shown(normalized)}, but the images lie in [0, 1] already",
            "leave normalized= out",
        )
    done = preprocessing_of(normalized, images, data)
    found = done.inverse(images)
    is_proven = _is_lattice(found)
    if not is_proven and not unusual:
        _refuse_if_another_fits(images, normalized, data)
    _refuse_beyond(found, shown(normalized), unusual)
    return Undone(found, f"{shown(normalized)} undone", is_proven)


def _candidates(
    images: Tensor, data: Data | None, whitening: ZCA | None
) -> dict[str, Preprocessing]:
    """Return what may have been done to images."""
    names: list[Any] = [[-1, 1], [0, 255]]
    names += ["imagenet"] if images.shape[1] == 3 else []
    names += ["data"] if data is not None and data.images.channels == images.shape[1] else []
    found = {shown(n): preprocessing_of(n, images, data) for n in names}
    return found if whitening is None else {**found, "zca": whitening}


def _tried_whitening(images: Tensor, data: Data | None) -> ZCA | None:
    """Return the data's whitening to try, unless it takes long or a plan asks for it."""
    if data is None or not is_whitenable(images, data):
        return None
    if images[0].numel() > _TRIED:
        return data.known_whitening()
    try:
        return data.whitening()
    except NotMade:
        return None


def _question(images: Tensor, data: Data | None) -> DataError:
    low, high = (float(x) for x in images.aminmax())
    tried = _candidates(images, data, None)
    misfits = _misfits(images, data, tried)
    if min(misfits.values()) > _FITS and (whitening := _tried_whitening(images, data)):
        tried = _candidates(images, data, whitening)
        misfits = _misfits(images, data, tried)
    return DataError(
        f"the images range from {low:.4g} to {high:.4g}: what was done to them?",
        f"say it: normalized={ACCEPTED}. By its pixels it may be "
        f"normalized={min(misfits, key=misfits.__getitem__)}"
        + ("" if "zca" in tried else " (zca was not tried)"),
    )


def better_fitting(images: Tensor, normalized: Any, data: Data) -> str:
    """Return the preprocessing that fits the pixels better than the one that a person named."""
    known = data.known_whitening() if is_whitenable(images, data) else None
    tried = _candidates(images, data, known)
    named = {shown(normalized): preprocessing_of(normalized, images, data)}
    misfits = _misfits(images, data, {**tried, **named})
    best = min(misfits, key=misfits.__getitem__)
    return "" if best == shown(normalized) else best


def _misfits(
    images: Tensor, data: Data | None, tried: Mapping[str, Preprocessing]
) -> dict[str, float]:
    some = _some(images)
    real = real_sample(data.images) if data is not None and is_whitenable(images, data) else None
    return {name: _misfit(one.inverse(some), real) for name, one in tried.items()}


def _misfit(images: Float[Tensor, "n c h w"], real: Tensor | None) -> float:
    """Return how far the ends of a range are from 0 and 1, but for its outermost pixels.

    If real images are known, it is also how far contrast and detail are from theirs.
    """
    flat = images.flatten()
    place = max(1, round(0.005 * len(flat)))
    low, high = flat.kthvalue(place).values, flat.kthvalue(len(flat) + 1 - place).values
    misfit = float(low.abs() + (high - 1).abs())
    if real is None:
        return misfit
    found = likeness(images, real)
    return misfit + abs(log(found.contrast)) + abs(log(found.detail))


def _refuse_if_another_fits(images: Tensor, normalized: Any, data: Data | None) -> None:
    """Refuse if another preprocessing gives gray levels of 8 bits at all pixels, and this does not.

    Pixels of pictures show by this what was done to them; learned ones do not.
    """
    fits = data is not None and is_whitenable(images, data)
    known = data.known_whitening() if data is not None and fits else None
    for name, other in _candidates(_some(images), data, known).items():
        if name != shown(normalized) and _is_lattice(other.inverse(_some(images))):
            raise DataError(
                f"normalized={shown(normalized)}: undone so, the pixels are no gray levels of 8 "
                f"bits, but with normalized={name} all of them are",
                f"give normalized={name}, or unusual=true if you are sure",
            )


def _refuse_beyond(images: Tensor, name: str, unusual: bool) -> None:
    if images.dtype == torch.uint8 or unusual:
        return
    some = _some(images)
    share = float(((some < -BEYOND) | (some > 1 + BEYOND)).float().mean())
    if share > _MOST_BEYOND:
        low, high = (float(x) for x in images.aminmax())
        raise DataError(
            f"normalized={name}: undone so, the images range from {low:.4g} to {high:.4g}, and "
            f"{share:.0%} of the pixels are beyond [0, 1] by more than {BEYOND}",
            "something else was done to them: give another normalized=, or unusual=true if you are "
            "sure",
        )


def _is_inside(images: Tensor) -> bool:
    low, high = (float(x) for x in images.aminmax())
    return low >= -_ROUNDING and high <= 1 + _ROUNDING


def _is_lattice(images: Tensor) -> bool:
    """Say whether pixels are gray levels of 8 bits: at random a tenth would be near one."""
    some = _some(images)
    levels = 255 * some
    near = ((levels - levels.round()).abs() < _NEAR).float().mean()
    return bool(near > _ON_LATTICE) and _is_inside(some)


def _some(images: Tensor) -> Tensor:
    """Return about so many pixels as are looked at, of images spread over the set."""
    most = max(1, _LOOKED_AT // images[0].numel())
    return in_floats(images[:: -(-len(images) // most)])
