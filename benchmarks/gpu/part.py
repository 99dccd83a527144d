"""One part in its own process: `python -m benchmarks.gpu.part name=... module=... ...`.

`python -m benchmarks.gpu` starts it; by hand it is a way to try a single part.
"""

import contextlib
import importlib
import json
import math
import os
import re
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddoq import command
from ddoq.errors import UsageError
from ddoq.files.artifacts import read_json, replacing, write_json
from ddoq.recipe import arguments

# Others are not carried back from a lent machine, nor is what lies deeper.
_NAME = re.compile(r"([A-Za-z0-9._-]+/){0,2}[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Options:
    """What a part is told, and the ways in which it answers."""

    name: str
    module: str
    out: Path
    work: Path
    until: float
    """When it will be asked to end, in seconds since the epoch."""
    data: str = ""
    """A folder of CIFAR-10 in Parquet files; empty if none was given."""
    scale: float = 1.0

    @property
    def seconds_left(self) -> float:
        """The seconds until this part is asked to end."""
        return self.until - time.time()

    @property
    def folder(self) -> Path:
        """This part's workspace."""
        return self.folder_of(self.name)

    def folder_of(self, name: str) -> Path:
        """Return the workspace of a part, or of what several parts share."""
        folder = self.work / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def scaled(self, number: int, *, least: int = 1) -> int:
        """Return a size at the scale that was asked for."""
        return max(least, round(number * self.scale))

    def note(self, figures: Mapping[str, Any]) -> None:
        """Add figures to this part's; what was noted is kept, whatever becomes of the part."""
        file = figures_file(self.work, self.name)
        write_json(file, {**noted(self.work, self.name), **_plain(figures)})

    @contextlib.contextmanager
    def leaving(self, name: str) -> Generator[Path]:
        """Yield a temporary file, and leave it in `out` under `name` when all went well.

        Its own name ends in `.tmp`: a writer that looks at the suffix must be told the format.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} would not come back from a lent machine",
                "use letters, digits, '.', '_' and '-', at most two folders down",
            )
        file = self.out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            yield temporary


def figures_file(work: Path, name: str) -> Path:
    """Return where a part notes its figures."""
    return work / f"{name}.figures.json"


def noted(work: Path, name: str) -> dict[str, Any]:
    """Return what a part has noted so far."""
    file = figures_file(work, name)
    return read_json(file) if file.exists() else {}


def _plain(value: Any) -> Any:
    """Return plain data; a number that JSON does not know becomes its name."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.loads(json.dumps(value, default=_told))


def _told(value: Any) -> Any:
    """Return a number that a library has wrapped, or how anything else is shown."""
    return _plain(value.item()) if hasattr(value, "item") else str(value)


def main(argv: list[str]) -> None:
    """Run the part that the arguments name, for as long as its parent lives."""
    from ddoq.processes.forks import follow

    asked = arguments.read(Options, argv, "part")
    follow(os.getppid())
    importlib.import_module(asked.module).main(asked)


if __name__ == "__main__":
    command.run(main)
