"""The memory of a process, as Linux counts it."""

import subprocess
import time
from pathlib import Path

from ddoq.errors import ResourceError

_KEYS = ("RssAnon", "VmRSS")
_SECONDS = 0.2


def read_status(process: int | str) -> dict[str, int]:
    """Return the bytes a process holds in RAM: its own (RssAnon), and with mapped files (VmRSS).

    Empty for a process that has ended.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    fields = dict(line.split(":", 1) for line in lines)
    return {key: 1024 * int(fields[key].split()[0]) for key in _KEYS if key in fields}


def run_watched(command: list[str]) -> dict[str, int]:
    """Run a command to its end; return the peaks of its memory, seen every 0.2 seconds."""
    peaks = dict.fromkeys(_KEYS, 0)
    process = subprocess.Popen(command)
    try:
        while process.poll() is None:
            for key, value in read_status(process.pid).items():
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
