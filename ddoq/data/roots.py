"""Whether the folder of class folders was given, or one above it."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from ddoq.data.survey import natural_order
from ddoq.errors import DataError


def folders(place: Path) -> list[str]:
    """Return the names of the folders in a place, without hidden ones."""
    return [f.name for f in place.iterdir() if f.is_dir() and not f.name.startswith(".")]


def refuse_too_high(root: Path, train: Path) -> None:
    """Refuse a folder without a part `train` that holds only the folder of class folders."""
    place, inner = root, folders(root)
    while len(inner) == 1:
        place = place / inner[0]
        inner = folders(place)
    if place != root == train and inner:
        raise DataError(
            f"{root}: its only folder is {place.relative_to(root)}, which holds "
            f"{', '.join(natural_order(inner)[:3])}{', ...' if len(inner) > 3 else ''}",
            f"if these are the classes: data.root={place}",
        )


def warn_if_nested(root: Path, train: Path, class_ids: Sequence[str], files: Sequence[str]) -> None:
    """Warn if all pictures lie in folders within the class folders: `root` may be too high."""
    parents = dict.fromkeys(os.path.dirname(file) for file in files)
    places = [Path(os.path.relpath(parent, train)) for parent in parents]
    within = [place.as_posix() for place in places]
    if places and all(len(place.parts) > 1 for place in places) and len(within) > len(class_ids):
        warnings.warn(
            f"{root}: no class folder has pictures of its own, only folders with pictures: "
            f"{', '.join(within[:4])}, ... Now the {len(class_ids)} classes are "
            f"{', '.join(class_ids[:4])}. If the inner folders are the classes, data.root is too "
            f"high: data.root={train / places[0].parts[0]}",
            stacklevel=4,
        )
