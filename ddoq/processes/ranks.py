"""How do the ranks of a run end together? None is left, and none waits for one that is gone."""

import contextlib
import os
import signal
import threading
import time
from typing import Any

from ddoq.processes import stop

# A rank whose neighbor ended has this long to say itself what is wrong.
_GRACE_SECONDS = 5.0
# Between two looks at the others.
_LOOK_SECONDS = 0.25
# A rank that ended so, or by a signal, says what the whole run ends with.
_TELLING = (2, 3, 4, 5, 130, 143)

_fabric: Any = None


def follow_launcher() -> None:
    """End this rank, if another process started it, when that one is gone."""
    from ddoq.processes.forks import follow

    if int(os.environ.get("LOCAL_RANK", "0")) > 0 or "TORCHELASTIC_RUN_ID" in os.environ:
        follow(os.getppid())


def watch(fabric: Any) -> None:
    """Watch the ranks that this process starts, from now on."""
    global _fabric
    _fabric = fabric
    threading.Thread(target=_watch, daemon=True, name="ranks").start()


def _watch() -> None:
    """End this rank soon after one that it started has ended before its time.

    Lightning's own thread does so too, by killing this one without a word: it is left nothing to
    watch.
    """
    while (code := _code()) is None:
        for thread in threading.enumerate() if _started() else []:
            if thread.name == "child-process-observer":
                thread._child_processes = []  # type: ignore[attr-defined] # of Lightning's class
        time.sleep(_LOOK_SECONDS)
    if code in (130, 143):
        # As if the signal had come here. One that has come already is not followed by another.
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
    """Return the exit code of a rank that ended before its time, as this one should end too."""
    codes = [c for c in (process.poll() for process in _started()) if c]
    if not codes:
        return None
    # A negative one is the signal that ended it.
    code = 128 - codes[0] if codes[0] < 0 else codes[0]
    return code if code in _TELLING else 4


def are_several() -> bool:
    """Say whether this process is one of several ranks.

    After an error in a training Lightning takes WORLD_SIZE out of the environment.
    """
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 or getattr(_fabric, "world_size", 1) > 1


def lost(error: Exception) -> int | None:
    """Return the exit code for an error that says that another rank has ended; None for others."""
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
    """Take down the ranks that this process started, which have some time to save their state."""
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
