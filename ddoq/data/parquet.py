"""Parquet files with encoded pictures and labels, as the Hub keeps image data sets."""

import bisect
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Int
from torch import Tensor

from ddoq.data.pictures import NORMALIZATION, REDUCED_TO, Fit, pictures
from ddoq.data.source import Split
from ddoq.data.survey import divided, natural_order, part_of, stamp, survey
from ddoq.errors import DataError
from ddoq.files.artifacts import fingerprint, versions
from ddoq.recipe.signature import nearest

_IMAGE_COLUMNS = ("image", "img")
_LABEL_COLUMNS = ("label", "labels", "fine_label")


class Parquet:
    """Pictures in Parquet files: a folder of shards, or one file that is split by seed.

    The last of the words train, val and test in a shard's path gives its split. `training`,
    `valid`, `validation` and `testing` count too. It must be a separate word, as in
    `train-latest`. Shards are joined in the order of their names. Files without such a word are
    ignored. A missing split is carved out of train, class by class, by seed. But val without test
    is the test split, and only a new val is carved. All encoded bytes stay in memory.

    Pictures are bytes, or the Hub's struct of `bytes` and `path`. Integer labels get their names
    from the files' metadata: `classes`, separated by commas, or the Hub's own. Without metadata,
    and for labels that are strings, the classes are the labels of train in natural order.

    Args:
        root: The folder or the file.
        fit: Scale the short side and cut out the center, or squash both sides.
        channels: 1 for gray, 3 for color.
        image: The column of pictures; image or img if None.
        label: The column of labels; label, labels or fine_label if None.
        test_share: The share of each class for test, if there is neither test nor val.
        val_share: The share of each class of the remaining train for val, if val is missing or is
        the test split.
        on_bad: Whether an unreadable picture is an error or is left out with a warning.
    """

    def __init__(
        self,
        *,
        root: str,
        image_size: int = 32,
        fit: Literal["crop", "squash"] = "crop",
        channels: Literal[1, 3] = 3,
        image: str | None = None,
        label: str | None = None,
        test_share: float = 0.2,
        val_share: float = 0.1,
        split_seed: int = 0,
        on_bad: Literal["error", "skip"] = "error",
    ) -> None:
        rows = PictureRows(
            [shard_of(*f, image, label) for f in shard_files(Path(root).expanduser())]
        )
        self.class_names, labels = classes_of(rows)
        is_unique = len(set(self.class_names)) == len(self.class_names)
        numbers = tuple(str(i) for i in range(len(self.class_names)))
        self.class_ids = self.class_names if is_unique else numbers
        names = [rows.name(i) for i in range(len(labels))]
        seen = survey(rows.load, names, rows.stamps(), on_bad=on_bad, where=root)
        shares = {"test_share": test_share, "val_share": val_share}
        pictures = rows.split(labels, channels, fit)
        self.train, self.val, self.test = divided(
            pictures, rows.parts(), seen.kept, self.class_ids, **shares, seed=split_seed, where=root
        )
        self.channels, self.image_size = channels, image_size
        self.mean, self.std = NORMALIZATION[channels]
        self.skipped = seen.skipped
        self.fingerprint = fingerprint(
            {
                "source": "parquet",
                "content": [seen.content, labels[seen.kept].tolist()],
                "classes": self.class_names,
                "pixels": [image_size, fit, channels, REDUCED_TO, versions("Pillow")],
                "split": [test_share, val_share, split_seed],
            }
        )


@dataclass(frozen=True)
class PictureShard:
    """The columns of one file."""

    file: Path
    name: str
    """The file relative to the root."""
    part: str
    column: str
    images: pa.ChunkedArray
    labels: pa.ChunkedArray
    class_names: list[str] | None


@dataclass(frozen=True)
class PictureRows:
    """The rows of all shards, one after the other."""

    shards: list[PictureShard]

    @functools.cached_property
    def _starts(self) -> list[int]:
        ends = torch.tensor([0] + [len(shard.labels) for shard in self.shards]).cumsum(0)
        return ends[:-1].tolist()

    def _at(self, index: int) -> tuple[PictureShard, int]:
        number = bisect.bisect_right(self._starts, index) - 1
        return self.shards[number], index - self._starts[number]

    def load(self, index: int) -> bytes:
        """Return the bytes of a picture file."""
        shard, row = self._at(index)
        return shard.images[row].as_py() or b""

    def name(self, index: int) -> str:
        """Return the place of a row in words."""
        shard, row = self._at(index)
        return f"{shard.name}: row {row} of column {shard.column!r}"

    def label_values(self) -> list[int | str | None]:
        """Return the labels as the files have them."""
        return [value for shard in self.shards for value in shard.labels.to_pylist()]

    def parts(self) -> list[str]:
        """Return the split of each row."""
        return [shard.part for shard in self.shards for _ in range(len(shard.labels))]

    def stamps(self) -> list[Any]:
        """Return data that change with the files."""
        files = [(shard.file, shard.column) for shard in self.shards]
        return [[str(file.resolve()), column, stamp(str(file))] for file, column in files]

    def split(self, labels: Int[Tensor, " n"], channels: int, fit: Fit) -> Split:
        """Return all rows as a split."""
        return Split(
            labels,
            lambda i, size: pictures(self.load, self.name, i, size, channels=channels, fit=fit),
            self.name,
        )


def shard_files(root: Path) -> list[tuple[Path, str, str]]:
    """Return (file, relative name, part) of each shard."""
    if root.is_file():
        return [(root, root.name, "train")]
    named = {f.relative_to(root).as_posix(): f for f in root.rglob("*.parquet")}
    parts = {name: part_of(name) for name in named}
    found = [(named[n], n, part) for n in natural_order(list(named)) if (part := parts[n])]
    if not any(part == "train" for _, _, part in found):
        raise DataError(
            f"{root}: there is no Parquet file whose name contains 'train'",
            "set data.root to a Parquet file, or to a folder with files such as"
            " train-0.parquet and test-0.parquet",
        )
    return found


def shard_of(
    file: Path, name: str, part: str, image: str | None, label: str | None
) -> PictureShard:
    """Read the columns of pictures and labels of a file."""
    if not file.is_file():
        raise DataError(f"{file}: it is a pipe, a socket or a device, not a file", "remove it")
    try:
        schema = pq.read_schema(file, memory_map=True)
        columns = [
            _column(file, schema, "image", image, _IMAGE_COLUMNS),
            _column(file, schema, "label", label, _LABEL_COLUMNS),
        ]
        table = pq.read_table(file, columns=columns, memory_map=True)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: it cannot be read as Parquet ({error})", "replace it") from error
    images, labels = table[columns[0]], table[columns[1]]
    if pa.types.is_dictionary(labels.type):
        labels = labels.cast(labels.type.value_type)
    if not (pa.types.is_integer(labels.type) or _is_text(labels.type)):
        raise DataError(
            f"{file}: column {columns[1]!r} holds {labels.type}, not labels",
            "set data.label to a column of integers or strings",
        )
    names = None if _is_text(labels.type) else _written_names(file, schema, columns[1])
    return PictureShard(
        file, name, part, columns[0], _binary(file, columns[0], images), labels, names
    )


def _column(
    file: Path, schema: pa.Schema, setting: str, asked: str | None, usual: Sequence[str]
) -> str:
    for name in [asked] if asked else usual:
        if name in schema.names:
            return name
    hint = nearest(asked, schema.names) if asked else ""
    raise DataError(
        f"{file}: there is no column {asked or ' or '.join(usual)}{hint}",
        f"set data.{setting} to one of {', '.join(schema.names)}",
    )


def _binary(file: Path, column: str, images: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = images.type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        images = images.flatten()[kind.get_field_index("bytes")]
    if not (pa.types.is_binary(images.type) or pa.types.is_large_binary(images.type)):
        raise DataError(
            f"{file}: column {column!r} holds {kind}, not the bytes of picture files",
            "set data.image to a column of bytes, or of structs with a field 'bytes'",
        )
    return images


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _written_names(file: Path, schema: pa.Schema, column: str) -> list[str] | None:
    """Return the class names that a file's metadata gives, if any."""
    metadata: dict[bytes, bytes] = schema.metadata or {}
    try:
        if b"classes" in metadata:
            return metadata[b"classes"].decode().split(",")
        hub = json.loads(metadata.get(b"huggingface", b"{}"))
        names = hub.get("info", {}).get("features", {}).get(column, {}).get("names")
        return None if names is None else [str(name) for name in names]
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(
            f"{file}: its metadata cannot be read as class names ({error})",
            "write it again: classes=name,name,... in the order of the labels",
        ) from error


def classes_of(rows: PictureRows) -> tuple[tuple[str, ...], Int[Tensor, " n"]]:
    """Return the class names and the label of every row."""
    values, names = rows.label_values(), rows.shards[0].class_names
    for shard in rows.shards:
        if shard.class_names != rows.shards[0].class_names:
            raise DataError(
                f"{shard.file}: its metadata has other class names than {rows.shards[0].name}",
                "write the same metadata into all files",
            )
    if names is None:
        of_train = zip(values, rows.parts(), strict=True)
        names = natural_order(list({str(v) for v, part in of_train if part == "train"}))
        known = {name: label for label, name in enumerate(names)}
    else:
        known = {str(label): label for label in range(len(names))}
    for row, value in enumerate(values):
        if value is None or str(value) not in known:
            raise DataError(
                f"{rows.name(row)}: its label {value!r} is none of the {len(names)} classes",
                "correct or remove the row; labels count from 0, and all must occur in train",
            )
    return tuple(names), torch.tensor([known[str(v)] for v in values], dtype=torch.int64)
