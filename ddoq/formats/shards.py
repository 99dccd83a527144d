"""The files of a set that lies in several: those of its training images, if they say so."""

from collections.abc import Iterable
from pathlib import Path

from ddoq.data.survey import natural_order, part_of
from ddoq.errors import DataError


def shards(folder: Path, files: Iterable[Path]) -> list[Path]:
    """Return the files named `train`, or all if none is named after a split, in natural order."""
    named = {f.relative_to(folder).as_posix(): f for f in files}
    parts = {name: part_of(name) for name in named}
    if set(parts.values()) - {None} and "train" not in parts.values():
        raise DataError(
            f"{folder}: its files are called {', '.join(list(named)[:3])}, and none train",
            "a set is what is trained on: give its file, or call its files train-0, train-1, ...",
        )
    wanted = "train" if "train" in parts.values() else None
    return [named[name] for name in natural_order(list(named)) if parts[name] == wanted]
