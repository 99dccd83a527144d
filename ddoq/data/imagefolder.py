"""A folder with one folder of pictures per class, as of ImageNet and most data sets."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from ddoq.data.imagenet import imagenet_names
from ddoq.data.pictures import NORMALIZATION, REDUCED_TO, SUFFIXES, Fit, pictures
from ddoq.data.roots import folders, refuse_too_high, warn_if_nested
from ddoq.data.source import Split
from ddoq.data.survey import divided, natural_order, refuse_unwritable, stamp, survey
from ddoq.errors import DataError
from ddoq.files.artifacts import fingerprint, read_json, versions
from ddoq.recipe.roots import absent
from ddoq.recipe.signature import nearest

_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class ImageFolder:
    """Pictures in class folders, which lie in `root` itself or in `root/train`.

    Beside `train` there may be `test` and `val` (or `valid`, `validation`). A missing split is
    carved out of train, class by class, by seed. But `val` without `test`, as in ImageNet, is the
    test split, and only a new val is carved. The folders' names are the class ids. Labels follow
    their natural order ("2" before "10"). Hidden files and files without a picture's suffix are
    ignored. Nested folders belong to the class that they are in. If no class has pictures
    elsewhere, this is warned of. A link to a folder that is read anyway is refused.

    Args:
        fit: Scale the short side and cut out the center, or squash both sides.
        channels: 1 for gray, 3 for color.
        classes: The folders to use, all if None.
        class_names: A JSON file {folder: readable name}, or `imagenet` for the names of WordNet
            ids; the folders' names if None.
        test_share: The share of each class for test, if there is neither test nor val.
        val_share: The share of each class of the remaining train for val, if val is missing or is
        the test split.
        on_bad: Whether an unreadable picture is an error or is left out with a warning.
    """

    def __init__(
        self,
        *,
        root: str,
        image_size: int = 64,
        fit: Literal["crop", "squash"] = "crop",
        channels: Literal[1, 3] = 3,
        classes: list[str] | None = None,
        class_names: str | None = None,
        test_share: float = 0.2,
        val_share: float = 0.1,
        split_seed: int = 0,
        on_bad: Literal["error", "skip"] = "error",
    ) -> None:
        folder = Path(root).expanduser()
        layout = class_folders(folder)
        refuse_too_high(folder, layout["train"])
        self.class_ids = class_ids_of(layout, classes)
        self.class_names = _class_names(self.class_ids, class_names)
        found = find_pictures(folder, layout, self.class_ids)
        warn_if_nested(folder, layout["train"], self.class_ids, found.of_train)
        stamps = [str(folder.resolve()), [stamp(file) for file in found.files]]
        seen = survey(found.load, found.names, stamps, on_bad=on_bad, where=root)
        shares = {"test_share": test_share, "val_share": val_share}
        pictures = found.split(channels, fit)
        self.train, self.val, self.test = divided(
            pictures, found.parts, seen.kept, self.class_ids, **shares, seed=split_seed, where=root
        )
        self.channels, self.image_size = channels, image_size
        self.mean, self.std = NORMALIZATION[channels]
        self.skipped = seen.skipped
        self.fingerprint = fingerprint(
            {
                "source": "imagefolder",
                "content": seen.content,
                "classes": [self.class_ids, self.class_names],
                "pixels": [image_size, fit, channels, REDUCED_TO, versions("Pillow")],
                "split": [test_share, val_share, split_seed],
            }
        )


@dataclass(frozen=True)
class FoundPictures:
    """The picture files of a folder, with their part and label."""

    parts: list[str]
    labels: list[int]
    files: list[str]
    names: list[str]
    """The files relative to the root, the same on every machine."""

    @property
    def of_train(self) -> list[str]:
        """The files of the training part."""
        return [f for f, part in zip(self.files, self.parts, strict=True) if part == "train"]

    def load(self, index: int) -> bytes:
        """Return the bytes of a picture file."""
        if not stat.S_ISREG(os.stat(self.files[index]).st_mode):
            # Opening a pipe would wait for a writer.
            raise OSError("it is a pipe, a socket or a device, not a file")
        with open(self.files[index], "rb") as stream:
            return stream.read()

    def split(self, channels: int, fit: Fit) -> Split:
        """Return all pictures as a split."""
        file = self.files.__getitem__
        return Split(
            torch.tensor(self.labels, dtype=torch.int64),
            lambda i, size: pictures(self.load, file, i, size, channels=channels, fit=fit),
            file,
        )


def class_folders(root: Path) -> dict[str, Path]:
    """Return the folders that hold class folders, by part."""
    if not root.is_dir():
        raise (
            absent(root)
            if not root.exists()
            else DataError(f"{root} is a file", "set data.root to a folder of class folders")
        )
    given = {part: root / name for name, part in _PARTS.items() if (root / name).is_dir()}
    flat = [place for place in given.values() if not folders(place)]
    if "train" in given and given["train"] not in flat:
        if flat:
            raise DataError(
                f"{flat[0]}: there are no class folders in it",
                "sort its pictures into one folder per class, as in train, or move it away",
            )
        return given
    # A class may be called "train" or "test".
    if given and (len(flat) < len(given) or set(folders(root)) <= set(_PARTS)):
        raise DataError(
            f"{root / 'train'}: there are no class folders in it, but there is"
            f" {', '.join(place.name for place in given.values())}",
            "put one folder of pictures per class into train",
        )
    return {"train": root}


def class_ids_of(layout: dict[str, Path], classes: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the class folders to use, in natural order."""
    present = folders(layout["train"])
    for name in present:
        refuse_unwritable(name, str(layout["train"]))
    if not present:
        raise DataError(
            f"{layout['train']}: there are no class folders in it",
            "sort the pictures into one folder per class",
        )
    for name in classes or ():
        if name not in present:
            raise DataError(
                f"{layout['train']}: there is no class folder {name!r}{nearest(name, present)}",
                "correct data.classes",
            )
    for part, place in layout.items():
        strange = natural_order(list(set(folders(place)) - set(present)))
        if strange and classes is None:
            raise DataError(
                f"{place / strange[0]}: this class is in {part} but not in train",
                "add its pictures to train, or name the classes to use in data.classes",
            )
    return tuple(natural_order(list(set(classes or present))))


def _class_names(class_ids: Sequence[str], file: str | None) -> tuple[str, ...]:
    if file is None:
        return tuple(class_ids)
    try:
        names = imagenet_names() if file == "imagenet" else read_json(Path(file).expanduser())
        readable = tuple(str(names[name]) for name in class_ids)
    except KeyError as error:
        raise DataError(f"{file}: there is no name for class {error}", "add it") from None
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{file}: it cannot be read as class names ({error})",
            'give data.class_names a JSON file such as {"n01440764": "tench"}',
        ) from error
    for name in readable:
        refuse_unwritable(name, file)
    return readable


def find_pictures(root: Path, layout: dict[str, Path], class_ids: Sequence[str]) -> FoundPictures:
    """Return the picture files of all parts, class by class."""
    found = FoundPictures([], [], [], [])
    for part, place in layout.items():
        read: dict[tuple[int, int], str] = {}
        for label, name in enumerate(class_ids):
            folder = place / name
            files = _picture_files(folder, read)
            beside = folder.relative_to(root).as_posix()
            found.parts.extend([part] * len(files))
            found.labels.extend([label] * len(files))
            found.files.extend(files)
            # Computing each relative path separately would take most of the time for many files.
            start = len(str(folder))
            found.names.extend(beside + file[start:].replace(os.sep, "/") for file in files)
    return found


def _picture_files(folder: Path, read: dict[tuple[int, int], str]) -> list[str]:
    """Return a class's files. `read` holds the folders that were read before."""
    found: list[str] = []
    for place, inner, files in os.walk(folder, followlinks=True):
        status = os.stat(place)
        before = read.setdefault((status.st_dev, status.st_ino), place)
        if before != place:
            raise DataError(
                f"{place} is {before} again: its pictures would count twice",
                "remove the link",
            )
        inner[:] = [name for name in inner if not name.startswith(".")]
        shown = [name for name in files if not name.startswith(".")]
        found += [os.path.join(place, n) for n in shown if n.lower().endswith(SUFFIXES)]
    return sorted(found)
