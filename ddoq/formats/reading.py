"""Reading a set in any format. The table says which reader takes what."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ddoq.errors import DataError
from ddoq.formats.tensors import SUFFIXES, tensor_files
from ddoq.formats.told import Told
from ddoq.synthetic import SyntheticSet


@dataclass(frozen=True)
class Format:
    """A format: how it is recognized, and its reader, which is imported when it is needed."""

    name: str
    looks_so: Callable[[Path], bool]
    reader: str


def _holds(pattern: str) -> Callable[[Path], bool]:
    return lambda path: path.is_dir() and any(path.rglob(pattern))


def _ends(*suffixes: str) -> Callable[[Path], bool]:
    return lambda path: path.is_file() and path.suffix.lower() in suffixes


def _is_ours(path: Path) -> bool:
    return any((place / "set.json").is_file() for place in (path, path / "synthetic"))


def _is_around_tensors(path: Path) -> bool:
    return path.is_dir() and len(tensor_files(path)) == 1


def _has_class_folders(path: Path) -> bool:
    return path.is_dir() and any(f.is_dir() for f in path.iterdir() if f.name[0] != ".")


# The first that fits is taken.
FORMATS = (
    Format("a set of ddoq's", _is_ours, "ddoq.formats.folder"),
    Format("tensors", _ends(*SUFFIXES), "ddoq.formats.tensors"),
    Format("tensors", lambda p: (p / "images_best.pt").is_file(), "ddoq.formats.tensors"),
    Format("tensors", _is_around_tensors, "ddoq.formats.tensors"),
    Format("Parquet", _ends(".parquet"), "ddoq.formats.parquet"),
    Format("Parquet", _holds("*.parquet"), "ddoq.formats.parquet"),
    Format("WebDataset", _ends(".tar"), "ddoq.formats.webdataset"),
    Format("WebDataset", lambda p: p.is_dir() and any(p.glob("*.tar")), "ddoq.formats.webdataset"),
    Format("ImageFolder", _has_class_folders, "ddoq.formats.imagefolder"),
)


def read(path: Path, told: Told) -> SyntheticSet:
    """Read a set as its files have it. Its preprocessing is not undone yet."""
    path = path.expanduser()
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder", "correct the path of the set")
    for one in FORMATS:
        if one.looks_so(path):
            return importlib.import_module(one.reader).read(path, told)
    raise DataError(
        f"{path}: it is no set in a format that is read",
        "give a set of ddoq's, a folder of class folders, .parquet, .tar (WebDataset), or tensors: "
        ".pt, .pth, .npz, .safetensors",
    )


def name_of(path: Path) -> str:
    """Return the name of a set: its file's or its folder's; of a run's set, the run's."""
    path = path.expanduser().resolve()
    if path.name == "synthetic":
        path = path.parent
    return path.stem if path.is_file() else path.name
