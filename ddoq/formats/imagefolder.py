"""A folder with one folder of pictures per class, and perhaps weights and soft labels."""

import csv
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ddoq.data.imagefolder import class_folders, class_ids_of, find_pictures
from ddoq.errors import DataError
from ddoq.formats.decoding import decoded
from ddoq.formats.layout import SOFT_LABELS, SOFT_LABELS_FILE, WEIGHT, WEIGHTS_FILE
from ddoq.formats.parts import Parts, about
from ddoq.formats.tensors import opened
from ddoq.formats.told import Told
from ddoq.synthetic import SyntheticSet


def read(path: Path, told: Told) -> SyntheticSet:
    """Read the pictures of a folder, or of its part `train`."""
    train = class_folders(path)["train"]
    class_ids = class_ids_of({"train": train}, None)
    found = find_pictures(train, {"train": train}, class_ids)
    images = decoded(found.load, found.names, path)
    labels, weights, soft = torch.tensor(found.labels), None, None
    if (train / WEIGHTS_FILE).is_file():
        order, weights = _listed(train / WEIGHTS_FILE, found.names)
        images, labels = images[order], labels[order]
    beside, columns = _about(path, train, class_ids)
    if (train / SOFT_LABELS_FILE).is_file():
        soft = _soft(train / SOFT_LABELS_FILE, weights, columns)
    return Parts(images, labels, soft, weights, None, class_ids, beside).whole(path, told)


def _about(
    path: Path, train: Path, folders: tuple[str, ...]
) -> tuple[dict[str, Any], list[int] | None]:
    """Return what stands beside the folders, with the classes in the order of the folders.

    The second value is that order: the place of each folder's class in the file, which is also the
    column of its soft labels. A folder's name is a class's id, its name, or its number.
    """
    found = about(train) or about(path)
    listed = found.pop("class_ids", []), found.pop("class_names", [])
    if not len(listed[0]) == len(listed[1]) == len(folders):
        return found, None
    width = len(folders[0])
    for names in (*listed, [f"{number:0{width}}" for number in range(len(folders))]):
        if set(names) == set(folders):
            order = [names.index(folder) for folder in folders]
            found["class_ids"], found["class_names"] = ([own[i] for i in order] for own in listed)
            return found, order
    return found, None


def _listed(file: Path, names: list[str]) -> tuple[Tensor, Tensor]:
    """Return the pictures in the order of a table of weights, and the weights."""
    place = {name.removeprefix("./"): i for i, name in enumerate(names)}
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            lines = [(line["file"], float(line[WEIGHT])) for line in csv.DictReader(stream)]
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{file}: it cannot be read as weights ({error})", f"write lines of file,{WEIGHT}"
        ) from error
    wrong = {name for name, _ in lines} ^ set(place)
    if wrong or len(lines) != len(place):
        raise DataError(
            f"{file}: {min(wrong, default='a picture')} is not once in the table and in the folder",
            "list every picture once, as cat/00000.png",
        )
    weights = torch.tensor([weight for _, weight in lines], dtype=torch.float64)
    return torch.tensor([place[name] for name, _ in lines]), weights


def _soft(file: Path, weights: Tensor | None, columns: list[int] | None) -> Tensor:
    held = opened(file)
    if SOFT_LABELS not in held or weights is None:
        raise DataError(
            f"{file}: soft labels are under the key {SOFT_LABELS}, in the order of {WEIGHTS_FILE}",
            f"write {WEIGHTS_FILE} too, or remove the file",
        )
    soft = held[SOFT_LABELS]
    return soft if columns is None or soft.shape[1:] != (len(columns),) else soft[:, columns]
