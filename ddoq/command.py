"""How does every command start and end? Arguments, signals, errors and exit codes."""

import errno
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from ddoq import world
from ddoq.errors import DdoqError, ResourceError
from ddoq.plugin import blamed

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
        with blamed():
            body(arguments)
    except (KeyboardInterrupt, Terminated) as stop:
        _end(143 if isinstance(stop, Terminated) else 130, "stopped; run it again to go on")
    except DdoqError as error:
        _end(error.exit_code, f"error: {error}", show="debug=true" in arguments)
    except OSError as error:
        mended = _as_ddoq(error)
        if mended is None:
            _end(1, f"error: {error}", show=True)
        _end(mended.exit_code, f"error: {mended}", show="debug=true" in arguments)
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":
            _end(4, f"error: {error}\n  remedy: lower decoder.block or the protocol's batch_size")
        _end(1, f"error: {type(error).__name__}: {error}\n  this is a bug of ddoq", show=True)
    sys.exit(0)


def _prepare() -> None:
    # A user's own modules are looked up in the working directory, with `ddoq` as with `python -m`.
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    os.environ.setdefault("DIFFUSERS_DISABLE_REMOTE_CODE", "1")
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _as_ddoq(error: OSError) -> DdoqError | None:
    """Turn what the machine refuses into an error with a remedy."""
    where = f": {error.filename}" if error.filename else ""
    remedies = {
        errno.ENOSPC: "free some space, or choose another cache= and out=",
        errno.EDQUOT: "free some of your quota, or choose another cache= and out=",
        errno.EACCES: "choose a folder you may write to: cache=..., out=...",
        errno.EPERM: "choose a folder you may write to: cache=..., out=...",
        errno.EROFS: "choose a folder you may write to: cache=..., out=...",
    }
    remedy = remedies.get(error.errno or 0)
    return ResourceError(f"{error.strerror}{where}", remedy) if remedy else None


def _end(code: int, message: str, *, show: bool = False) -> NoReturn:
    if show:
        traceback.print_exc()
    if int(os.environ.get("LOCAL_RANK", "0")) > 0:
        time.sleep(_GRACE_SECONDS)
    sys.stderr.write(message + "\n")
    sys.stderr.flush()
    world.abort()
    # Other ranks may never answer: waiting for them at exit would hang.
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        os._exit(code)
    sys.exit(code)
