"""A process with a deadline: SIGTERM when its seconds are over, SIGKILL ten seconds later."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

GRACE_SECONDS = 10.0
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    was_cut_off: bool
    seconds: float

    @property
    def how(self) -> str:
        """Say it in words."""
        if self.code >= 0:
            return f"exit code {self.code}"
        return f"killed by {signal.Signals(-self.code).name}"


def watch(
    command: Sequence[str],
    *,
    seconds: float,
    output: IO[bytes],
    environment: Mapping[str, str],
    look: Callable[[], None],
    grace: float = GRACE_SECONDS,
) -> Ended:
    """Run a command to its end or to its deadline, and call `look` every now and then.

    Whatever it has started ends with it: they are one process group. That group is of this
    session, so that who ends the session ends them, too.
    """
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        process_group=0,
    )
    try:
        was_cut_off = not _ends(process, start + seconds, look)
        if was_cut_off:
            _send(process, signal.SIGTERM)
            _ends(process, time.monotonic() + grace, look)
    finally:
        _send(process, signal.SIGKILL)
        process.wait()
    return Ended(process.returncode, was_cut_off, time.monotonic() - start)


def _ends(process: "subprocess.Popen[bytes]", until: float, look: Callable[[], None]) -> bool:
    """Wait for a process; say whether it has ended by then."""
    while process.poll() is None:
        if time.monotonic() >= until:
            return False
        look()
        time.sleep(_PAUSE_SECONDS)
    return True


def _send(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
