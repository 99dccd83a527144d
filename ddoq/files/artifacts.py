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
import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor

from ddoq.errors import IntegrityError, ResourceError, refused_by_the_machine
from ddoq.processes.memory import largest_mb
from ddoq.processes.world import World

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


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file so that it is complete or absent."""
    from safetensors.torch import save_file

    num_bytes = sum(t.nbytes for t in tensors.values())
    with _room(file, num_bytes), replacing(file) as temporary:
        save_file({k: t.contiguous().cpu() for k, t in tensors.items()}, temporary)


@contextlib.contextmanager
def _room(file: Path, num_bytes: int) -> Generator[None]:
    """Name the file and its size if the machine refuses to write it."""
    try:
        yield
    except Exception as error:  # The Rust writer has its own error type.
        cause = refused_by_the_machine(error)
        if cause is None:
            raise
        raise ResourceError(
            f"{cause}: {file}, of {num_bytes:,} bytes",
            "make room for it, or choose another cache= and out=",
        ) from error


def join_tensors(file: Path, parts: Sequence[Path], names: Sequence[str]) -> None:
    """Concatenate the tensors of several safetensors files, with one part in memory at a time."""
    layout = {name: _joined(parts, name) for name in names}
    header: dict[str, Any] = {}
    start = 0
    for name, (kind, shape, num_bytes) in layout.items():
        offsets = [start, start + num_bytes]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": offsets}
        start += num_bytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with _room(file, start), replacing(file) as temporary, temporary.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            for one in parts:
                stream.write(read_tensors(one)[name].contiguous().numpy().tobytes())


def _joined(parts: Sequence[Path], name: str) -> tuple[str, list[int], int]:
    """Return the dtype, shape and bytes of the joined tensor `name`."""
    kinds = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64", "uint8": "U8"}
    first, total = read_tensors(parts[0])[name], 0
    for one in parts:
        total += len(read_tensors(one)[name])
    kind = kinds[str(first.dtype).removeprefix("torch.")]
    num_bytes = total * first.shape[1:].numel() * first.dtype.itemsize
    return kind, [total, *first.shape[1:]], num_bytes


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read a safetensors file. The tensors are mapped from the disk, not copied."""
    from safetensors.torch import load_file

    return load_file(file)


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
    if is_entry and folder.name != _name_of(manifest):
        return "it is the result of another key"
    for name, entry in listing:
        file = folder / name
        if not file.is_file() or file.stat().st_size != entry["bytes"]:
            return f"{name} is missing or has another size"
        if sha256(file) != entry["sha256"]:
            return f"{name} has another checksum"
    return None


def _name_of(manifest: Mapping[str, Any]) -> str:
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


@dataclass
class StageRecord:
    """The outcome of one stage of a run."""

    stage: str
    fingerprint: str
    cached: bool
    seconds: float
    peak_memory_mb: float


@dataclass
class Cache:
    """Finished stages by fingerprint, shared by all runs and safe for several at once."""

    root: Path
    world: World = field(default_factory=World)
    on_start: Callable[[str], None] = lambda _: None
    on_finish: Callable[[StageRecord], None] = lambda _: None
    _spent: float = 0.0
    _checked: dict[Path, Any] = field(default_factory=dict[Path, Any])
    """Entries that this process has found intact, with the state of their files."""

    def place(self, stage: str, key: Mapping[str, Any]) -> Path:
        """Return where the result of a stage lies, or will lie."""
        name = _name_of({"stage": stage, "versions": versions(), "key": key})
        return self.root / stage / name

    def has(self, stage: str, key: Mapping[str, Any]) -> bool:
        """Say whether a stage is finished, without checking its bytes."""
        return is_finished(self.place(stage, key))

    def stage(self, stage: str, key: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
        """Return the folder of a stage's result. If it is not there yet, it is built.

        All ranks call this together. `build` runs on all of them in one workspace. It may use what
        an earlier, interrupted call left there.
        """
        final = self.place(stage, key)
        start, spent = time.perf_counter(), self._spent
        with self._lock(final) if self.world.is_first else contextlib.nullcontext():
            cached = self.world.broadcast(self.world.is_first and self._is_intact(final))
            if not cached:
                self.on_start(stage)
                self._build(stage, key, final, build, self.world)
        self._record(stage, final, cached, start, spent)
        return final

    def stage_in_parts(
        self,
        stage: str,
        key: Mapping[str, Any],
        make: Callable[[Path, Callable[[], bool]], None],
        join: Callable[[Path], None],
    ) -> Path:
        """Return the folder of a result that any processes build together, ranks or not.

        A process that asks for the result helps, and waits only for those that ask too. So a rank
        may ask alone. `make` returns when all parts are in the workspace, or when its second
        argument says that the result is published. One process then calls `join` on the parts.
        """
        final = self.place(stage, key)
        start, spent = time.perf_counter(), self._spent
        if not is_finished(final):
            self.on_start(stage)
            work = self._work(stage, final)
            work.mkdir(parents=True, exist_ok=True)
            make(work, lambda: is_finished(final))

        def build(work: Path) -> None:
            make(work, lambda: False)
            join(work)

        with self._lock(final):
            cached = self._is_intact(final)
            if not cached:
                self._build(stage, key, final, build, World())
        self._record(stage, final, cached, start, spent)
        return final

    def _record(self, stage: str, final: Path, cached: bool, start: float, spent: float) -> None:
        # The time of stages within this one is counted as theirs.
        seconds = time.perf_counter() - start - (self._spent - spent)
        self._spent += seconds
        self.on_finish(StageRecord(stage, final.name, cached, seconds, largest_mb()))

    def _lock(self, final: Path) -> FileLock:
        final.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(final.with_name(f".{final.name}.lock"))

    def _work(self, stage: str, final: Path) -> Path:
        return self.root / ".work" / f"{stage.replace('/', '-')}-{final.name}"

    def _is_intact(self, final: Path) -> bool:
        if not final.exists():
            return False
        seen = _looks(final)
        if self._checked.get(final) == seen:
            return True
        wrong = damage(final, is_entry=True)
        if wrong:
            warnings.warn(f"{final}: {wrong}; it is built again", stacklevel=4)
        else:
            self._checked[final] = seen
        return wrong is None

    def _build(
        self,
        stage: str,
        key: Mapping[str, Any],
        final: Path,
        build: Callable[[Path], None],
        world: World,
    ) -> None:
        work = self._work(stage, final)
        if world.is_first:
            work.mkdir(parents=True, exist_ok=True)
        world.barrier()
        build(work)
        world.barrier()
        if world.is_first:
            commit(work, final, {"stage": stage, "key": key, "versions": versions()})
        world.barrier()


def _looks(folder: Path) -> list[tuple[Any, ...]]:
    """Return data that changes when a file in a folder is written, replaced or removed."""
    status = ((file.name, file.stat()) for file in sorted(folder.rglob("*")))
    return [(name, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino) for name, s in status]
