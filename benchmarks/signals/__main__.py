"""Send signals to trainings at random instants; each must end with its code, and go on as it was.

    python -m benchmarks.signals [what=student|dm|dc|idm] [signals=SIGTERM,SIGINT] [count=20]
        [ranks=2] [steps=300] [seed=0] [out=signals.json]

What is trained is a student, or a set. A training is stopped and begun anew until it is finished,
and then compared with one that was left alone: a student by its measures, a set by its file. A set
is learned by one process (`ranks=1`), which saves its state after every step.
"""

import collections
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.signals.child import SETS
from ddoq import command
from ddoq.errors import IntegrityError, UsageError
from ddoq.files.artifacts import read_json, write_json
from ddoq.recipe import arguments

# The exit codes of a process that gets them.
SIGNALS = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}
# One of the ranks, or all of them at once, as a terminal does it.
TARGETS = ("rank 0", "rank 1", "group")
# The program's own limit, and what it may take to be gone after it.
SECONDS = 30.0


@dataclass(frozen=True)
class Options:
    """What may be set."""

    what: str = "student"
    signals: tuple[str, ...] = ("SIGTERM", "SIGINT")
    count: int = 20
    ranks: int = 2
    steps: int = 300
    seed: int = 0
    out: Path = Path("signals.json")

    def __post_init__(self) -> None:
        arguments.at_least(1, count=self.count, ranks=self.ranks, steps=self.steps)
        known = {"what": ("student", *SETS), "signals": [number.name for number in SIGNALS]}
        for key, given in (("what", (self.what,)), ("signals", self.signals)):
            if strange := [name for name in given if name not in known[key]]:
                raise UsageError(f"{key}={strange[0]}", f"use some of {', '.join(known[key])}")
        if self.what in SETS and self.ranks > 1:
            raise UsageError(f"what={self.what}: one process learns a set", "give ranks=1")


def main(argv: list[str]) -> None:
    """Try every signal so many times, say what happened, and fail if one try went wrong."""
    asked = arguments.read(Options, argv, "signals")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # So it is in a shell's background, and what is started would ignore it, too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        seconds, tries = _tried(Path(name), asked, random.Random(asked.seed))
    about = {"what": asked.what, "ranks": asked.ranks, "seconds": seconds}
    write_json(asked.out, {**about, "tries": tries})
    _report(tries)


def _tried(folder: Path, asked: Options, draw: random.Random) -> tuple[float, list[dict[str, Any]]]:
    """Stop trainings again and again until they are finished, and compare what they come to."""
    undisturbed, seconds = _finish(folder / "whole", asked)
    number, tries, waiting = 0, [], _plan(asked)
    while waiting or not tries[-1].get("equal"):
        training = folder / str(number)
        tried = _try(training, asked, *waiting[0], draw.uniform(0, seconds)) if waiting else None
        if tried:
            waiting.pop(0)
            tries.append({"training": number, **tried})
            print(tries[-1], flush=True)
            continue
        is_equal = _finish(training, asked)[0] == undisturbed
        for one in tries:
            one.setdefault("equal", is_equal)
        if not is_equal:
            break
        number += 1
    return seconds, tries


def _plan(asked: Options) -> list[tuple[signal.Signals, str]]:
    targets = TARGETS if asked.ranks > 1 else TARGETS[:1]
    of_one = list(itertools.islice(itertools.cycle(targets), asked.count))
    return [(signal.Signals[name], target) for name in asked.signals for target in of_one]


def _start(folder: Path, asked: Options) -> subprocess.Popen[bytes]:
    """Start a training, and wait until it begins."""
    folder.mkdir(exist_ok=True)
    (folder / "begun").unlink(missing_ok=True)
    words = [str(folder), asked.what, str(asked.ranks), str(asked.steps)]
    with (folder / "errors.txt").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.signals.child", *words],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=errors,
            # A group of its own, as a terminal gives a program.
            start_new_session=True,
        )
    while not (folder / "begun").exists() and process.poll() is None:
        time.sleep(0.01)
    return process


def _is_finished(folder: Path) -> bool:
    made = [(folder / "cache" / stage).glob("*/manifest.json") for stage in ("training", "learned")]
    return any(itertools.chain(*made))


def _finish(folder: Path, asked: Options) -> tuple[dict[str, Any], float]:
    """Return what a training comes to that is not stopped, and how long it takes."""
    process, begun = _start(folder, asked), time.monotonic()
    while not _is_finished(folder) and process.poll() is None:
        time.sleep(0.01)
    seconds = time.monotonic() - begun
    if process.wait(600):
        raise IntegrityError(
            f"a training ended with {process.returncode}", (folder / "errors.txt").read_text()
        )
    return read_json(folder / "measured.json"), seconds


def _try(
    folder: Path, asked: Options, number: signal.Signals, target: str, after: float
) -> dict[str, Any] | None:
    """Return what became of a training; None where it was done before the signal came."""
    process = _start(folder, asked)
    time.sleep(after)
    if _is_finished(folder):
        process.wait(600)
        return None
    sent = time.monotonic()
    _send(process.pid, number, target)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(2 * SECONDS)
    seconds = time.monotonic() - sent
    while (left := _of_session(process.pid)) and time.monotonic() - sent < SECONDS:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return {
        "signal": number.name,
        "target": target,
        "after": round(after, 3),
        "code": process.poll(),
        "expected": SIGNALS[number],
        "seconds": round(seconds, 2),
        "left": len(left),
        "state": bool(list(folder.rglob("training.resume"))),
        "said": (folder / "errors.txt").read_text().splitlines(),
    }


def _send(pid: int, number: int, target: str) -> None:
    if target == "group":
        os.killpg(pid, number)
        return
    ranks = [pid, *_children(pid)]
    os.kill(ranks[TARGETS.index(target)], number)


def _children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _of_session(pid: int) -> list[int]:
    """Return the processes of a session that still run."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, session = stat.read_text().rsplit(")", 1)[1].split()[:4]
            if int(session) == pid and state != "Z":
                found.append(int(stat.parent.name))
    return found


def _report(tries: list[dict[str, Any]]) -> None:
    for name, group in itertools.groupby(tries, key=lambda t: t["signal"]):
        own = list(group)
        codes = collections.Counter(t["code"] for t in own)
        print(
            f"{name}: {len(own)} tries, exit codes {dict(codes)}, "
            f"left running {sum(t['left'] for t in own)}, "
            f"slowest end {max(t['seconds'] for t in own)} s, "
            f"state saved {sum(t['state'] for t in own)}, "
            f"rerun equal {sum(t.get('equal', False) for t in own)}"
        )
    wrong = [t for t in tries if t["code"] != t["expected"] or t["left"] or not t.get("equal")]
    if wrong:
        raise IntegrityError(f"{len(wrong)} of {len(tries)} tries went wrong", str(wrong))


if __name__ == "__main__":
    command.run(main)
