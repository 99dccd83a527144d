"""The memory of a process and of those that it started, as Linux counts it."""

import subprocess
import time
from collections import Counter
from pathlib import Path

from ddoq.errors import ResourceError

_KEYS = ("Pss_Anon", "Pss")
# A look takes some 20 ms of a core for each process.
_SECONDS = 1.0


def read_memory(process: int | str) -> Counter[str]:
    """Return the bytes in RAM of a process and its children.

    `Pss_Anon` are their own, `Pss` those of mapped files, too; a page that forked processes share
    counts once. Empty for a process that has ended.
    """
    folder = Path("/proc", str(process))
    try:
        lines = (folder / "smaps_rollup").read_text().splitlines()[1:]
        children = (folder / "task" / folder.resolve().name / "children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return Counter()
    fields = dict(line.split(":", 1) for line in lines)
    own = Counter({key: 1024 * int(fields[key].split()[0]) for key in _KEYS if key in fields})
    return sum((read_memory(child) for child in children), own)


def run_watched(command: list[str]) -> dict[str, int]:
    """Run a command to its end; return the peaks of its memory, seen every second."""
    peaks = dict.fromkeys(_KEYS, 0)
    process = subprocess.Popen(command)
    try:
        while process.poll() is None:
            for key, value in read_memory(process.pid).items():
                peaks[key] = max(peaks[key], value)
            time.sleep(_SECONDS)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if process.returncode != 0:
        raise ResourceError(
            f"{' '.join(command)} ended with {process.returncode}", "see its message above"
        )
    return peaks
