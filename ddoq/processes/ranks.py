"""The common end of a run's ranks: none is left behind, and none waits for one that is gone."""

import contextlib
import os
import signal
import threading
import time
from typing import Any

from ddoq.processes import stop

# If another rank ended, a rank has this long to report its own error.
_GRACE_SECONDS = 5.0
# The seconds between two checks of the others.
_LOOK_SECONDS = 0.25
# If a rank ended with one of these codes, or by a signal, the whole run ends with that code.
_TELLING = (2, 3, 4, 5, 130, 143)

_fabric: Any = None


def follow_launcher() -> None:
    """If another process started this rank, end the rank when that process is gone."""
    from ddoq.processes.forks import follow

    if int(os.environ.get("LOCAL_RANK", "0")) > 0 or "TORCHELASTIC_RUN_ID" in os.environ:
        follow(os.getppid())


def watch(fabric: Any) -> None:
    """Watch the ranks that this process started, from now on."""
    global _fabric
    _fabric = fabric
    threading.Thread(target=_watch, daemon=True, name="ranks").start()


def _watch() -> None:
    """End this rank soon after a rank that it started has ended too early.

    Lightning's own thread would kill this one without a message, so it is left no rank to watch.
    """
    while (code := _code()) is None:
        for thread in threading.enumerate() if _started() else []:
            if thread.name == "child-process-observer":
                thread._child_processes = []  # type: ignore[attr-defined] # of Lightning's class
        time.sleep(_LOOK_SECONDS)
    if code in (130, 143):
        # Act as if the signal had come here, unless one has come already.
        if not stop.asked():
            os.kill(os.getpid(), code - 128)
        return
    time.sleep(_GRACE_SECONDS)
    os.write(2, b"error: another rank ended\n  remedy: see its own message; then run it again\n")
    kill()
    os._exit(code)


def _started() -> list[Any]:
    """Return the processes of the ranks that this one started."""
    launcher = getattr(getattr(_fabric, "strategy", None), "launcher", None)
    return list(getattr(launcher, "procs", []))


def _code() -> int | None:
    """Return the exit code of a rank that ended too early; this rank should end with it too."""
    codes = [c for c in (process.poll() for process in _started()) if c]
    if not codes:
        return None
    # A negative code is the number of the signal that ended the rank.
    code = 128 - codes[0] if codes[0] < 0 else codes[0]
    return code if code in _TELLING else 4


def are_several() -> bool:
    """Say whether this process is one of several ranks.

    After an error in a training, Lightning removes WORLD_SIZE from the environment.
    """
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 or getattr(_fabric, "world_size", 1) > 1


def lost(error: Exception) -> int | None:
    """Return the exit code for an error that means that another rank has ended; None for others."""
    if not are_several():
        return None
    import torch.distributed as dist

    signs = ("by peer", "gloo", "nccl", "broken pipe", "timed out", "socket")
    is_sign = any(sign in str(error).lower() for sign in signs)
    if not isinstance(error, dist.DistError) and not (type(error) is RuntimeError and is_sign):
        return None
    until = time.monotonic() + _GRACE_SECONDS
    while _started() and _code() is None and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
    return _code() or 4


def abort(seconds: float = 0.0) -> None:
    """End the ranks that this process started. They have some seconds to save their state."""
    for process in _started():
        process.send_signal(signal.SIGTERM)
    until = time.monotonic() + seconds
    for process in _started() if seconds else []:
        with contextlib.suppress(Exception):
            process.wait(max(0.0, until - time.monotonic()))
    if seconds:
        kill()


def kill() -> None:
    """End the ranks that this process started, at once."""
    for process in _started():
        process.kill()
