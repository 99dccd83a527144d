"""The cache: finished stages by fingerprint, and the workspaces in which they are built."""

import contextlib
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from ddoq.files.artifacts import MANIFEST, commit, damage, is_finished, name_of, read_json, versions
from ddoq.processes.memory import largest_mb
from ddoq.processes.world import World

# The seconds that interrupted calls spent, in a stage's workspace. Publishing removes it.
_SPENT = "seconds.resume"


@dataclass
class StageRecord:
    """The outcome of one stage of a run."""

    stage: str
    fingerprint: str
    cached: bool
    seconds: float
    peak_memory_mb: float
    made_seconds: float | None = None
    """The time of making it, with interrupted calls and whenever that was. None if unknown."""
    num_bytes: int = 0
    """The size of its files."""


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
        name = name_of({"stage": stage, "versions": versions(), "key": key})
        return self.root / stage / name

    def has(self, stage: str, key: Mapping[str, Any]) -> bool:
        """Say whether a stage is finished, without checking its bytes."""
        return is_finished(self.place(stage, key))

    def made_seconds(self, stage: str, key: Mapping[str, Any]) -> float | None:
        """Return how long a stage took, whenever that was; None if it is not there, or mum."""
        final = self.place(stage, key)
        return read_json(final / MANIFEST).get("made_seconds") if is_finished(final) else None

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
                self._build(stage, key, final, build, self.world, lambda: self._own(start, spent))
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
                self._build(stage, key, final, build, World(), lambda: self._own(start, spent))
        self._record(stage, final, cached, start, spent)
        return final

    def _record(self, stage: str, final: Path, cached: bool, start: float, spent: float) -> None:
        seconds = self._own(start, spent)
        self._spent += seconds
        record = StageRecord(stage, final.name, cached, seconds, largest_mb())
        if self.world.is_first:
            manifest = read_json(final / MANIFEST)
            record.made_seconds = manifest.get("made_seconds")
            record.num_bytes = sum(file["bytes"] for file in manifest["files"].values())
        self.on_finish(record)

    def _own(self, start: float, spent: float) -> float:
        """Return a stage's seconds. The time of stages within it is counted as theirs."""
        return time.perf_counter() - start - (self._spent - spent)

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
        seconds: Callable[[], float],
    ) -> None:
        work = self._work(stage, final)
        if world.is_first:
            work.mkdir(parents=True, exist_ok=True)
        world.barrier()
        before = _spent_before(work)
        try:
            build(work)
        except BaseException:
            if world.is_first:
                with contextlib.suppress(OSError):
                    (work / _SPENT).write_text(f"{before + seconds():.3f}")
            raise
        world.barrier()
        if world.is_first:
            about = {"stage": stage, "key": key, "versions": versions()}
            commit(work, final, {**about, "made_seconds": round(before + seconds(), 3)})
        world.barrier()


def _spent_before(work: Path) -> float:
    """Return the seconds of earlier calls that were interrupted, as far as they could say."""
    try:
        return float((work / _SPENT).read_text())
    except (OSError, ValueError):
        return 0.0


def _looks(folder: Path) -> list[tuple[Any, ...]]:
    """Return data that changes when a file in a folder is written, replaced or removed."""
    status = ((file.name, file.stat()) for file in sorted(folder.rglob("*")))
    return [(name, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino) for name, s in status]
