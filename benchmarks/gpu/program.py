"""Run the parts one after the other, each bounded, and keep `results.json` true all the time."""

import os
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu.log import Log
from benchmarks.gpu.part import figures_file, noted
from benchmarks.gpu.table import PARTS, Entry
from benchmarks.gpu.watched import GRACE_SECONDS, Ended, watch
from ddoq.errors import UsageError
from ddoq.files.artifacts import write_json

_ROOT = Path(__file__).parents[2]
_MERGE_SECONDS = 2.0
# A process with torch in it needs some seconds before it can do anything.
_LEAST_SECONDS = 5.0
_MOST_FILES, _MOST_BYTES = 8, 16 * 2**20
# The bounds are a large GPU's; two cores take longer for a hundredth of the work.
_ON_A_CPU = 3.0
_MACHINE = Entry("benchmarks.gpu.machine", 60, "what the machine is")
_DONE = "done"


@dataclass(frozen=True)
class Options:
    """What may be asked of the program."""

    out: Path
    minutes: float = 9.0
    parts: tuple[str, ...] = ("tests", "teacher", "prior", "samples")
    data: str = ""
    scale: float = 1.0
    work: str = ""

    def __post_init__(self) -> None:
        if self.minutes <= 0 or not 0 < self.scale <= 1:
            raise UsageError(
                f"minutes={self.minutes} scale={self.scale}",
                "minutes are above 0; a scale is above 0, up to 1",
            )
        if (self.out / "results.json").exists():
            raise UsageError(f"{self.out} holds the results of another call", "choose another out=")


def run(asked: Options, table: Mapping[str, Entry] = PARTS) -> bool:
    """Give every part its turn; say whether all of them are done."""
    strange = [name for name in asked.parts if name not in table]
    if strange:
        raise UsageError(f"there is no part {strange[0]!r}", f"choose from {', '.join(table)}")
    asked.out.mkdir(parents=True, exist_ok=True)
    with _workspace(asked) as work, closing(Log(asked.out / "log.txt")) as log:
        program = _Program(asked, table, work, log)
        program.announce()
        program.run("machine", _MACHINE)
        program.be_patient()
        for name in asked.parts:
            program.run(name, table[name])
        return program.all_done()


@contextmanager
def _workspace(asked: Options) -> Generator[Path]:
    """Yield the folder that was asked for, or one that is removed afterwards."""
    if not asked.work:
        with tempfile.TemporaryDirectory(prefix="ddoq-gpu-") as temporary:
            yield Path(temporary)
        return
    work = Path(asked.work).expanduser()
    work.mkdir(parents=True, exist_ok=True)
    yield work


class _Program:
    """The parts' common clock, log and results."""

    def __init__(self, asked: Options, table: Mapping[str, Entry], work: Path, log: Log) -> None:
        self._asked, self._table, self._work, self._log = asked, table, work, log
        self._end = time.monotonic() + 60 * asked.minutes
        self._merged, self._patience = 0.0, 1.0
        names = ("machine", *asked.parts)
        self._states: dict[str, dict[str, Any]] = {name: {"state": "waiting"} for name in names}
        for name in names:
            figures_file(work, name).unlink(missing_ok=True)

    def announce(self) -> None:
        """Say what will be done, in which order, for how long at most, and what is left."""
        asked, say = self._asked, self._log.say
        say(f"{len(asked.parts)} parts, at most {60 * asked.minutes:.0f} s, scale {asked.scale:g}")
        for number, name in enumerate(asked.parts, 1):
            entry = self._table[name]
            leaves = f"; leaves {', '.join(entry.leaves)}" if entry.leaves else ""
            say(f"  {number}. {name}, at most {entry.seconds:.0f} s: {entry.does}{leaves}")
        say(f"{asked.out} gets results.json, all the time, and log.txt; work is in {self._work}")
        self._merge()

    def be_patient(self) -> None:
        """Give the parts more time on a machine without a GPU."""
        if noted(self._work, "machine").get("gpu", "unknown") is None:
            self._patience = _ON_A_CPU
            self._log.say(f"without a GPU each part may take {_ON_A_CPU:g} times its seconds")

    def run(self, name: str, entry: Entry) -> None:
        """Run a part, and write down what became of it."""
        # What does not end by itself is killed before the program's own time is over.
        left = self._end - time.monotonic() - GRACE_SECONDS
        bound = entry.seconds * self._patience
        seconds = min(bound, left)
        state = self._states[name]
        if seconds < _LEAST_SECONDS:
            state |= {"state": "skipped", "reason": "no time left"}
        else:
            short = f" of its {bound:.0f}" if seconds < bound else ""
            self._log.say(f"\n== {name}: at most {seconds:.0f}{short} s")
            state |= {"state": "running", "bound": round(seconds, 1)}
            self._merge()
            try:
                state |= self._watched(name, entry, seconds)
            except BaseException:
                state |= {"state": "cut off", "reason": "the program was stopped"}
                self._merge()
                raise
        took = f" after {state['seconds']:.1f} s" if "seconds" in state else ""
        why = f": {state['reason']}" if "reason" in state else ""
        self._log.say(f"== {name}: {state['state']}{took}{why}")
        self._merge()

    def _watched(self, name: str, entry: Entry, seconds: float) -> dict[str, Any]:
        said: list[str] = []

        def look() -> None:
            said.append(self._log.echo())
            if time.monotonic() - self._merged > _MERGE_SECONDS:
                self._merge()

        ended = watch(
            self._command(name, entry, seconds),
            seconds=seconds,
            output=self._log.sink,
            environment=_environment(),
            look=look,
        )
        look()
        for left in self._asked.out.rglob(".*.tmp"):
            left.unlink()
        return _outcome(ended, "".join(said))

    def _command(self, name: str, entry: Entry, seconds: float) -> list[str]:
        told: dict[str, Any] = {
            "name": name,
            "module": entry.module,
            "out": self._asked.out.resolve(),
            "work": self._work.resolve(),
            "until": time.time() + seconds,
            "scale": self._asked.scale,
        }
        if self._asked.data:
            told["data"] = Path(self._asked.data).expanduser().resolve()
        given = [f"{key}={value}" for key, value in told.items()]
        return [sys.executable, "-m", "benchmarks.gpu.part", *given]

    def _merge(self) -> None:
        """Write down everything that is known by now."""
        self._merged = time.monotonic()
        states = {
            name: {**state, "figures": noted(self._work, name)}
            for name, state in self._states.items()
        }
        about = {**asdict(self._asked), "out": str(self._asked.out)}
        content = {"asked": about, "machine": states.pop("machine"), "parts": states}
        write_json(self._asked.out / "results.json", content)

    def all_done(self) -> bool:
        """Say how it went, and which files a lent machine would not give back."""
        states = {name: self._states[name]["state"] for name in self._asked.parts}
        self._log.say("\n" + ", ".join(f"{name}: {state}" for name, state in states.items()))
        for line in lost(self._asked.out):
            self._log.say(line)
        return all(state == _DONE for state in states.values())


def _environment() -> dict[str, str]:
    """Return this one's, in which a part finds the checkout, prints at once and stays offline."""
    places = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        "HF_HUB_OFFLINE": "1",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
        "PYTHONUNBUFFERED": "1",
    }


def _outcome(ended: Ended, said: str) -> dict[str, Any]:
    took = {"seconds": round(ended.seconds, 1)}
    if ended.was_cut_off:
        return {"state": "cut off", **took, "reason": f"its time was over ({ended.how})"}
    if ended.code == 0:
        return {"state": _DONE, **took}
    last = [line.strip() for line in said.splitlines() if line.strip()][-3:]
    return {"state": "failed", **took, "reason": " | ".join([ended.how, *last])}


def lost(out: Path) -> list[str]:
    """Say what would not come back from a lent machine."""
    files = sorted(file for file in out.rglob("*") if file.is_file())
    large = [file for file in files if file.stat().st_size > _MOST_BYTES]
    lines = [f"{file.relative_to(out)} is larger than 16 MiB" for file in large]
    if len(files) > _MOST_FILES:
        lines.append(f"there are {len(files)} files, more than {_MOST_FILES}")
    return lines
