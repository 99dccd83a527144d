"""WebDataset: tar files of samples, each a picture with a label beside it.

A sample is the entries of one name: `0001.png`, `0001.cls`, `0001.json`. Nothing is unpacked to the
disk, and entries of other kinds (`.pkl`, `.pyd`) are refused, as they may hold code.
"""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddoq.errors import DataError
from ddoq.formats.about import about
from ddoq.formats.decoding import decoded
from ddoq.formats.layout import LABEL, SOFT_LABEL, WEIGHT
from ddoq.formats.parts import Parts
from ddoq.formats.shards import shards
from ddoq.formats.told import Told
from ddoq.synthetic import SyntheticSet

_PICTURES, _ARRAY = ("png", "jpg", "jpeg"), "npy"
_KNOWN = (*_PICTURES, _ARRAY, "cls", "json")
# No picture of a set is as large.
_MOST_BYTES = 2**28


def read(path: Path, told: Told) -> SyntheticSet:
    """Read all samples of one tar file, or of those in a folder; of `train` if there are parts."""
    files = [path] if path.is_file() else shards(path, path.glob("*.tar"))
    samples = [sample for file in files for sample in _samples(file)]
    if not samples:
        raise DataError(f"{path}: it holds no samples", "write 0000.png and 0000.cls, and so on")
    names = [name for name, _ in samples]
    said = [_json(name, entries) for name, entries in samples]
    labels = [_label(name, entries, j) for (name, entries), j in zip(samples, said, strict=True)]
    parts = Parts(
        _images(samples, names, path),
        torch.tensor(labels) if None not in labels else None,
        _all(said, SOFT_LABEL, path),
        _all(said, WEIGHT, path),
        about=about(path if path.is_dir() else path.parent),
    )
    return parts.whole(path, told)


def _samples(file: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield each sample's name and its entries, in the order of the file."""
    found: dict[str, dict[str, bytes]] = {}
    try:
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                base, _, kind = member.name.rpartition("/")[2].partition(".")
                name, kind = f"{member.name.rpartition('/')[0]}/{base}", kind.lower()
                _refuse(file, member, kind)
                stream = archive.extractfile(member)
                assert stream is not None
                if kind in found.setdefault(name, {}):
                    raise DataError(f"{file}: {member.name} is there twice", "write it once")
                found[name][kind] = stream.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(
            f"{file}: it cannot be read as a tar file ({error})", "replace it"
        ) from error
    for name, entries in found.items():
        yield f"{file}: {name.lstrip('/')}", entries


def _refuse(file: Path, member: tarfile.TarInfo, kind: str) -> None:
    if not member.isreg():
        raise DataError(f"{file}: {member.name} is no file", "write samples of plain files")
    if kind not in _KNOWN:
        raise DataError(
            f"{file}: {member.name} is of a kind that is not read",
            f"a sample's entries are {', '.join('.' + k for k in _KNOWN)}",
        )
    if member.size > _MOST_BYTES:
        raise DataError(f"{file}: {member.name} has {member.size:,} bytes", "write smaller images")


def _json(name: str, entries: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        return {**json.loads(entries.get("json", b"{}"))}
    except (ValueError, TypeError) as error:
        raise DataError(f"{name}.json: it is no JSON object ({error})", "replace it") from error


def _label(name: str, entries: Mapping[str, bytes], said: Mapping[str, Any]) -> int | None:
    text = entries["cls"].decode(errors="replace").strip() if "cls" in entries else said.get(LABEL)
    if text is None and SOFT_LABEL in said:
        return None
    try:
        return int(str(text))
    except ValueError as error:
        raise DataError(
            f"{name}: its label is {text!r}", "write the number of its class into .cls"
        ) from error


def _images(samples: list[tuple[str, dict[str, bytes]]], names: list[str], path: Path) -> Tensor:
    kinds = [[k for k in (*_PICTURES, _ARRAY) if k in entries] for _, entries in samples]
    for name, own in zip(names, kinds, strict=True):
        if len(own) != 1:
            raise DataError(f"{name}: it has {len(own)} pictures", "give every sample one")
    if all(own == [_ARRAY] for own in kinds):
        return _arrays([(name, entries[_ARRAY]) for name, entries in samples])
    if any(own == [_ARRAY] for own in kinds):
        raise DataError(f"{path}: it has pictures and arrays", "give images of one kind")
    return decoded(lambda i: samples[i][1][kinds[i][0]], names, path)


def _arrays(held: list[tuple[str, bytes]]) -> Tensor:
    found: list[Tensor] = []
    for name, content in held:
        try:
            array = torch.from_numpy(np.load(io.BytesIO(content), allow_pickle=False))
        except (ValueError, TypeError, OSError, EOFError) as error:
            raise DataError(
                f"{name}.npy: it is no array of numbers ({error})", "replace it"
            ) from error
        if found and array.shape != found[0].shape:
            raise DataError(f"{name}.npy: it has another shape than the first", "give all one size")
        found.append(array)
    return torch.stack(found)


def _all(said: list[dict[str, Any]], key: str, path: Path) -> Tensor | None:
    """Return what every sample's JSON says under a key, if all do."""
    values = [s[key] for s in said if key in s]
    if not values:
        return None
    try:
        numbers = torch.tensor(values, dtype=torch.float64)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: {key} is no number ({error})", "write numbers") from error
    if len(values) != len(said):
        raise DataError(
            f"{path}: {len(said) - len(values)} samples have no {key}", "give all samples one"
        )
    return numbers
