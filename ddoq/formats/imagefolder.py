"""A folder with one folder of pictures per class, and perhaps weights and soft labels."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ddoq.data.imagefolder import class_folders, class_ids_of, find_pictures
from ddoq.errors import DataError
from ddoq.formats.about import about
from ddoq.formats.decoding import decoded
from ddoq.formats.layout import SOFT_LABELS, SOFT_LABELS_FILE, WEIGHT, WEIGHTS_FILE
from ddoq.formats.parts import Parts
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
        soft = _soft(train / SOFT_LABELS_FILE, weights)
    own = () if columns else class_ids
    # Labels are the places of the folders, from 0 on.
    told = replace(told, first_label=0)
    return Parts(images, labels, soft, weights, None, own, beside, columns).whole(path, told)


def _about(
    path: Path, train: Path, folders: tuple[str, ...]
) -> tuple[dict[str, Any], list[int] | None]:
    """Return what stands beside the folders, with the classes in the order of the folders.

    The second value is that order: the place of each folder's class in the file, which is also the
    column of its soft labels. A folder's name is a class's id, its name, or its number.
    """
    found = about(train) or about(path)
    listed = found.pop("class_ids", []), found.pop("class_names", [])
    ids, names = listed[0] or listed[1], listed[1] or listed[0]
    if not ids:
        return found, None
    width = len(folders[0])
    numbers = [f"{number:0{width}}" for number in range(len(folders))]
    # An export numbers the folders if ids cannot be their names, whatever the classes are called.
    for own in (ids, numbers, names):
        if len(ids) == len(names) == len(folders) and set(own) == set(folders):
            order = [own.index(folder) for folder in folders]
            found |= {
                "class_ids": [ids[i] for i in order],
                "class_names": [names[i] for i in order],
            }
            return found, order
    raise DataError(
        f"{train}: its folders are {', '.join(folders[:3])}, ..., which about.json does not list",
        "list each folder once in class_ids or class_names, or remove about.json",
    )


def _listed(file: Path, names: list[str]) -> tuple[Tensor, Tensor]:
    """Return the pictures in the order of a table of weights, and the weights."""
    place = {name.removeprefix("./"): i for i, name in enumerate(names)}
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            lines = [(line["file"], float(line[WEIGHT])) for line in csv.DictReader(stream)]
    except (KeyError, ValueError, TypeError, csv.Error) as error:
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


def _soft(file: Path, weights: Tensor | None) -> Tensor:
    held = opened(file)
    if SOFT_LABELS not in held or weights is None:
        raise DataError(
            f"{file}: soft labels are under the key {SOFT_LABELS}, in the order of {WEIGHTS_FILE}",
            f"write {WEIGHTS_FILE} too, or remove the file",
        )
    return held[SOFT_LABELS]
