"""Parquet: one file, or a folder of shards as data sets on the Hub have them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from ddoq.data.parquet import PictureRows, classes_of
from ddoq.data.parquet_shards import shard_of
from ddoq.errors import DataError
from ddoq.formats.about import about
from ddoq.formats.decoding import decoded
from ddoq.formats.layout import SOFT_LABEL, WEIGHT
from ddoq.formats.parts import Parts
from ddoq.formats.shards import shards
from ddoq.formats.told import Told
from ddoq.synthetic import SyntheticSet


def read(path: Path, told: Told) -> SyntheticSet:
    """Read the rows of a file, or of all shards of a folder; of `train` if there are parts."""
    files = [path] if path.is_file() else shards(path, path.rglob("*.parquet"))
    try:
        rows = PictureRows([shard_of(f, f.name, "train", None, None) for f in files])
    except DataError as error:
        raise DataError(error.cause, "name the columns image and label") from error
    names, labels = classes_of(rows)
    described = [rows.name(i) for i in range(len(labels))]
    images = decoded(rows.load, described, path)
    weights, soft = (_column(files, name) for name in (WEIGHT, SOFT_LABEL))
    beside = about(path if path.is_dir() else path.parent)
    return Parts(images, labels, soft, weights, None, names, beside).whole(path, told)


def _column(files: list[Path], name: str) -> Tensor | None:
    """Return a column of numbers, or of lists of numbers, if all files have it."""
    has = [name in pq.read_schema(file).names for file in files]
    if not any(has):
        return None
    if not all(has):
        raise DataError(f"{files[has.index(False)]}: it has no column {name}", "write it again")
    try:
        values: list[Any] = [
            v for file in files for v in pq.read_table(file, columns=[name])[name].to_pylist()
        ]
        return torch.from_numpy(np.array(values, dtype=np.float64))
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise DataError(
            f"{files[0]}: column {name} holds no equally many numbers in each row ({error})",
            "write one number a row, or a list of as many as there are classes",
        ) from error
