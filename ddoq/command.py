"""How does every command start and end? Arguments, signals, errors and exit codes."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from ddoq import world
from ddoq.errors import DdoqError, ResourceError, refused_by_the_machine
from ddoq.outlet import Outlet

Body = Callable[[list[str]], None]

# The first rank's message is enough; the others wait this long to be taken down by it.
_GRACE_SECONDS = 3.0


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


def run(body: Body, argv: list[str] | None = None) -> NoReturn:
    """Run a command's body and exit with its code; errors are two lines, not a traceback."""
    arguments = sys.argv[1:] if argv is None else argv
    _prepare()
    try:
        body(arguments)
    except (KeyboardInterrupt, Terminated) as stop:
        _end(143 if isinstance(stop, Terminated) else 130, "stopped; run it again to go on")
    except DdoqError as error:
        _end(error.exit_code, f"error: {error}", show="debug=true" in arguments)
    except Exception as error:
        refused = _as_ddoq(error)
        if refused:
            _end(refused.exit_code, f"error: {refused}", show="debug=true" in arguments)
        if isinstance(error, OSError):
            _end(1, f"error: {error}", show=True)
        if type(error).__name__ == "OutOfMemoryError":
            _end(4, f"error: {error}\n  remedy: lower decoder.block or the protocol's batch_size")
        _end(1, f"error: {type(error).__name__}: {error}\n  this is a bug of ddoq", show=True)
    _leave_outlets()
    sys.exit(0)


def _prepare() -> None:
    # A user's own modules are looked up in the working directory, with `ddoq` as with `python -m`.
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    os.environ.setdefault("DIFFUSERS_DISABLE_REMOTE_CODE", "1")
    # What a terminal cannot show is lost, but not the result.
    sys.stdout, sys.stderr = _outlet(sys.stdout), _outlet(sys.stderr)
    signal.signal(signal.SIGTERM, _terminate)


def _outlet(stream: Any) -> Any:
    return stream if isinstance(stream, Outlet) else Outlet(stream)


def _leave_outlets() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Outlet):
            stream.leave()


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _as_ddoq(error: Exception) -> DdoqError | None:
    """Turn what the machine refuses into an error with a remedy."""
    cause, name = refused_by_the_machine(error), getattr(error, "filename", None)
    remedy = "free some space, or choose folders that you may write to: cache=..., out=..."
    return ResourceError(f"{cause}{f': {name}' if name else ''}", remedy) if cause else None


def _end(code: int, message: str, *, show: bool = False) -> NoReturn:
    if show:
        traceback.print_exc()
    if int(os.environ.get("LOCAL_RANK", "0")) > 0:
        time.sleep(_GRACE_SECONDS)
    sys.stderr.write(message + "\n")
    _leave_outlets()
    world.abort()
    # Other ranks may never answer: waiting for them at exit would hang.
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        os._exit(code)
    sys.exit(code)
