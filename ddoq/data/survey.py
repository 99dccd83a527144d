"""The survey of a source's picture files: which are readable, and the split of each."""

import hashlib
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Int
from PIL import __version__ as pillow_version
from torch import Tensor

from ddoq.data.pictures import REMEDY, converted, in_order, opened, reason, reduced
from ddoq.data.source import Split, carve
from ddoq.errors import DataError
from ddoq.files.memo import remembered

_SMALL = 20_000

OnBad = Literal["error", "skip"]
_PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True)
class Survey:
    """The result of reading all pictures once."""

    kept: Int[Tensor, " n"]
    """The indices of the readable ones."""
    skipped: tuple[str, ...]
    """The names of the others."""
    content: str
    """A hash of the names and bytes of the kept ones."""


def survey(
    load: Callable[[int], bytes],
    names: Sequence[str],
    stamps: Any,
    *,
    on_bad: OnBad,
    where: str,
    memo: Path | None = None,
) -> Survey:
    """Read every picture once: hash it and find out whether it is readable.

    Up to 20,000 pictures are all decoded. If there are more, they are decoded only if unreadable
    ones are to be skipped. Otherwise their headers are checked, and the rest when they are used.

    Args:
        load: Reads the file of an index.
        names: The names of the pictures, in an order that is the same on every machine.
        stamps: Plain data that changes whenever a file does. It is the memo's key.
        on_bad: Whether an unreadable picture is an error or is left out with a warning.
        where: The folder or file of all pictures.
        memo: The folder of memos; the user's cache folder if None.
    """
    is_thorough = on_bad == "skip" or len(names) < _SMALL
    known = remembered(
        "pictures",
        [where, list(names), stamps, is_thorough, pillow_version],
        lambda: _looked_through(load, names, is_thorough),
        memo=memo,
    )
    unreadable = known["unreadable"]
    if unreadable:
        _report(unreadable, on_bad, where)
    kept = [i for i, name in enumerate(names) if name not in unreadable]
    return Survey(torch.tensor(kept, dtype=torch.int64), tuple(unreadable), known["content"])


def _looked_through(
    load: Callable[[int], bytes], names: Sequence[str], is_thorough: bool
) -> dict[str, Any]:
    def look(index: int) -> tuple[str, str | None]:
        try:
            content = load(index)
            image = opened(content)
            if is_thorough:
                # All bytes are read, which is what may fail, at an eighth of the side too.
                converted(reduced(image, 1), "RGB")
        except Exception as error:  # Decoders raise anything on hostile bytes.
            return "", reason(error)
        return hashlib.sha256(content).hexdigest(), None

    digest, unreadable = hashlib.sha256(), dict[str, str]()
    for name, (own, wrong) in zip(names, in_order(look, range(len(names))), strict=True):
        if wrong is None:
            digest.update(f"{name}\0{own}\n".encode(errors="surrogateescape"))
        else:
            unreadable[name] = wrong
    return {"content": digest.hexdigest(), "unreadable": unreadable}


def _report(unreadable: Mapping[str, str], on_bad: OnBad, where: str) -> None:
    listed = "; ".join(f"{name}: {wrong}" for name, wrong in list(unreadable.items())[:3])
    rest = f"; and {len(unreadable) - 3} more" if len(unreadable) > 3 else ""
    if on_bad == "error":
        raise DataError(f"{where}: cannot read {listed}{rest}", REMEDY)
    text = f"{where}: left out {len(unreadable)} unreadable pictures: {listed}{rest}"
    warnings.warn(text, stacklevel=4)


def stamp(file: str) -> tuple[int, ...]:
    """Return data that changes with a file: its size, times, and place on the disk.

    All are 0 if it is not there. A program can set the modification time, but not the time at
    which the file's entry changed.
    """
    try:
        status = os.stat(file)
    except OSError:
        return 0, 0, 0, 0
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def refuse_unwritable(name: str, where: str) -> None:
    """Refuse a class name that cannot be written to a file."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where}: the class name {name!a} is not UTF-8", "give it another name"
        ) from error


def natural_order(names: Sequence[str]) -> list[str]:
    """Sort names with their numbers by value.

    >>> natural_order(["10", "2", "b1", "a10", "a9"])
    ['2', '10', 'a9', 'a10', 'b1']
    """

    def key(name: str) -> tuple[list[str | int], str]:
        parts = re.split(r"([0-9]+)", name)
        return [int(part) if i % 2 else part for i, part in enumerate(parts)], name

    return sorted(names, key=key)


def part_of(name: str) -> str | None:
    """Return the split that the path of a file names last, as a word of its own; None if none.

    >>> part_of("data/cifarTrain-latest_01.parquet"), part_of("contest/0.tar")
    ('train', None)
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    return next((_PARTS[word] for word in reversed(words) if word in _PARTS), None)


def divided(
    whole: Split,
    parts: Sequence[str],
    kept: Int[Tensor, " m"],
    class_ids: Sequence[str],
    *,
    test_share: float,
    val_share: float,
    seed: int,
    where: str,
) -> tuple[Split, Split, Split]:
    """Return train, val and test. Splits that are not given are carved out of train.

    If there is a val part but no test part, as in ImageNet, then val is the test split.

    Args:
        whole: All pictures, including the unreadable ones.
        parts: For each of them `train`, `val` or `test`.
        kept: The indices of the readable ones.
        class_ids: All classes, by label.
        test_share: The share of each class to carve for test, if neither test nor val is given.
        val_share: The share of each class of the remaining train part to carve for val.
        seed: The seed of the carving.
        where: The folder or file of all pictures.
    """
    train, val, test = (_of_part(name, parts, kept) for name in ("train", "val", "test"))
    if train is None or len(class_ids) < 2:
        listed = f"only one class, {class_ids[0]!r}" if class_ids else "nothing to train on"
        raise DataError(f"{where}: there is {listed}", "give at least two classes to train on")
    _require_all(whole.labels[train], class_ids, f"{where}: in train")
    if test is None:
        test, val = val, None
    if test is None:
        _require_enough(whole.labels[train], class_ids, test_share, where)
        train, test = _carved(whole, train, test_share, seed, "test")
    if val is None:
        train, val = _carved(whole, train, val_share, seed, "val")
    _require_all(whole.labels[test], class_ids, f"{where}: in the test split")
    return whole.select(train), whole.select(val), whole.select(test)


def _of_part(name: str, parts: Sequence[str], kept: Int[Tensor, " m"]) -> Tensor | None:
    if name not in parts:
        return None
    return kept[torch.tensor([parts[i] == name for i in kept.tolist()], dtype=torch.bool)]


def _carved(
    whole: Split, indices: Int[Tensor, " n"], share: float, seed: int, what: str
) -> tuple[Tensor, Tensor]:
    rest, carved = carve(whole.labels[indices], share, seed=seed, what=what)
    return indices[rest], indices[carved]


def _require_all(labels: Int[Tensor, " n"], class_ids: Sequence[str], where: str) -> None:
    counts = labels.bincount(minlength=len(class_ids)).tolist()
    if 0 in counts:
        raise DataError(
            f"{where}, class {class_ids[counts.index(0)]!r} has no readable pictures",
            "add some, or remove the class from all splits",
        )


def _require_enough(
    labels: Int[Tensor, " n"], class_ids: Sequence[str], share: float, where: str
) -> None:
    counts = labels.bincount(minlength=len(class_ids)).tolist()
    for name, count in zip(class_ids, counts, strict=True):
        if min(round(share * count), count - 1) < 1:
            raise DataError(
                f"{where}: class {name!r} has {count} pictures,"
                f" and a test share of {share} leaves none of them to test on",
                "add pictures, raise data.test_share, or give a test part beside train",
            )
