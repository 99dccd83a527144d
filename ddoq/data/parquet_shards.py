"""The shards of Parquet files: which ones there are, and their columns of pictures and labels."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ddoq.data.survey import natural_order, part_of
from ddoq.errors import DataError
from ddoq.recipe.signature import nearest

_IMAGE_COLUMNS = ("image", "img")
_LABEL_COLUMNS = ("label", "labels", "fine_label")


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
