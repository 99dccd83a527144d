"""Artifacts: results are published as a whole, under a name, and kept in a cache.

Only this file publishes files. A stage builds in a workspace beside its final place. The workspace
survives a kill, so the next call resumes. A finished stage is renamed into place as a whole, with
the SHA-256 of every file in its manifest.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Any

from ddoq.errors import IntegrityError

SCHEMA = 1
MANIFEST = "manifest.json"


def fingerprint(value: Any) -> str:
    """Hash plain data (mappings, lists, numbers, strings) to 20 hex digits.

    >>> fingerprint({"a": 1, "b": [2.0, None]}) == fingerprint({"b": [2.0, None], "a": 1})
    True
    """
    # Hash the value as JSON reads it back, so that a written value has the same hash.
    plain = json.loads(json.dumps(value, allow_nan=False))
    text = json.dumps(plain, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


_LIBRARIES = ("torch", "torchvision", "timm", "diffusers")
# The packages of libraries that have another name.
_PACKAGES = {"faiss": ("faiss-gpu", "faiss-cpu", "faiss")}


def versions(*libraries: str) -> dict[str, str]:
    """Return the versions of libraries, by default of those that every result depends on."""
    return {name: _version(name) for name in libraries or _LIBRARIES}


@functools.cache
def _version(name: str) -> str:
    for package in _PACKAGES.get(name, (name,)):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(package)
    return "absent"


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_of_files(folder: Path, files: Iterable[Path]) -> str:
    """Hash the names and contents of some files of a folder."""
    return fingerprint([[f.relative_to(folder).as_posix(), sha256(f)] for f in sorted(files)])


def hash_of(place: Path) -> str:
    """Hash a file, or all files of a folder."""
    if place.is_file():
        return sha256(place)
    return hash_of_files(place, (f for f in place.rglob("*") if f.is_file()))


def write_json(file: Path, value: Any) -> None:
    """Write JSON so that the file is complete or absent."""
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")


@contextlib.contextmanager
def replacing(file: Path) -> Generator[Path]:
    """Yield a temporary name beside `file`. Without an error, it is then renamed to `file`."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        # safetensors writes files that only their owner may read.
        temporary.chmod(mode)
        _sync(temporary)
        temporary.replace(file)
    except OSError as error:
        # A failed write does not name the file.
        error.filename = error.filename or str(file)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_json(file: Path) -> Any:
    """Read a JSON file."""
    return json.loads(file.read_text(encoding="utf-8"))


def commit(work: Path, final: Path, about: Mapping[str, Any] | None = None) -> None:
    """Publish a finished workspace under its final name, with checksums.

    The entries of the workspace's own `manifest.json` are kept.
    """
    for left in (*work.rglob(".*.tmp"), *work.rglob("*.resume")):
        left.unlink()  # A killed write, or a training's state.
    files = sorted(f for f in work.rglob("*") if f.is_file() and f.name != MANIFEST)
    listing = {
        f.relative_to(work).as_posix(): {"sha256": sha256(f), "bytes": f.stat().st_size}
        for f in files
    }
    for file in files:
        _sync(file)
    own = read_json(work / MANIFEST) if (work / MANIFEST).exists() else {}
    manifest = {**own, "schema": SCHEMA, **(about or {}), "files": listing}
    write_json(work / MANIFEST, {**manifest, "checksum": _checksum(manifest)})
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        aside = final.with_name(f".{final.name}.{os.getpid()}.old")
        final.replace(aside)
        work.replace(final)
        shutil.rmtree(aside)
    else:
        work.replace(final)
    _sync(final.parent)


def _checksum(manifest: Mapping[str, Any]) -> str:
    """Hash a manifest as it will be read back, without its checksum."""
    value = json.loads(json.dumps(manifest))
    return fingerprint({k: v for k, v in value.items() if k != "checksum"})


def is_finished(folder: Path) -> bool:
    """Say whether a folder was published, without checking its bytes."""
    return (folder / MANIFEST).is_file()


def damage(folder: Path, *, is_entry: bool = False) -> str | None:
    """Say what is wrong with a published folder; None if it is as it was written.

    An entry of a cache must also have the name of its key.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        listing = manifest["files"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"its manifest is unreadable ({type(error).__name__})"
    if manifest.get("schema") != SCHEMA:
        return f"it has schema {manifest.get('schema')}, this program reads {SCHEMA}"
    if manifest.get("checksum", _checksum(manifest)) != _checksum(manifest):
        return "its manifest has another checksum"
    if is_entry and folder.name != name_of(manifest):
        return "it is the result of another key"
    for name, entry in listing:
        file = folder / name
        if not file.is_file() or file.stat().st_size != entry["bytes"]:
            return f"{name} is missing or has another size"
        if sha256(file) != entry["sha256"]:
            return f"{name} has another checksum"
    return None


def name_of(manifest: Mapping[str, Any]) -> str:
    """Return the name of a stage in a cache."""
    known = {"stage": manifest.get("stage"), "versions": manifest.get("versions")}
    return fingerprint({**known, **manifest.get("key", {})})


def verify(folder: Path, *, needs_manifest: bool = True) -> None:
    """Refuse a damaged folder that the user gave."""
    if not needs_manifest and not (folder / MANIFEST).is_file():
        return
    wrong = damage(folder)
    if wrong:
        raise IntegrityError(f"{folder}: {wrong}", "copy it again, or make it again")
