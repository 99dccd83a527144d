"""The start and end of every command: arguments, signals, errors and exit codes."""

import importlib
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ddoq import __version__
from ddoq.display.outlet import Outlet
from ddoq.errors import (
    DdoqError,
    ResourceError,
    UsageError,
    is_out_of_memory,
    refused_by_the_machine,
)
from ddoq.processes import ranks, stop
from ddoq.recipe.plugin import blamed

Body = Callable[[list[str]], None]

# Rank 0's message is enough. The others wait this long to be ended by it.
_GRACE_SECONDS = 3.0
# The seconds that other ranks have to save their state, when a signal ends this one.
_SAVING_SECONDS = 10.0

_MORE = """\
recipes: python -m ddoq.recipes. Every key with its default: docs/recipes.md. To see what a command
would do, add dry_run=true; for the traceback of an error, debug=true."""

_has_said_why = False


def run(body: Body, argv: list[str] | None = None) -> NoReturn:
    """Run a command's body and exit with its code. Errors print two lines, not a traceback."""
    arguments = sys.argv[1:] if argv is None else argv
    _prepare()
    _answer(arguments, sys.modules[body.__module__].__doc__ or "")
    try:
        _attempt(body, arguments)
    except stop.Stopped as stopped:
        # It may have come while an error was told.
        _end_stopped(stopped.number)
    except KeyboardInterrupt:
        _end_stopped(signal.SIGINT)
    stop.finish()
    _leave_outlets()
    sys.exit(0)


def _attempt(body: Body, arguments: list[str]) -> None:
    """Run a body, and end the process at an error."""
    try:
        with blamed():
            body(arguments)
    except DdoqError as error:
        _end_if_stopped()
        _end(error.exit_code, f"error: {error}", show="debug=true" in arguments)
    except Exception as error:
        _end_if_stopped()
        _end_if_lost(error)
        refused = _as_ddoq(error)
        if refused:
            _end(refused.exit_code, f"error: {refused}", show="debug=true" in arguments)
        if isinstance(error, OSError):
            _end(1, f"error: {error}", show=True)
        if is_out_of_memory(error):
            _end(4, f"error: {error}\n  remedy: lower decoder.block or the protocol's batch_size")
        _end(1, f"error: {type(error).__name__}: {error}\n  this is a bug of ddoq", show=True)


def _answer(arguments: list[str], about: str) -> None:
    """End after the text about a command, or the version, if that was asked for."""
    if arguments[:1] == ["--version"]:
        sys.stdout.write(f"ddoq {__version__}\n")
        sys.exit(0)
    if {"--help", "-h"} & set(arguments):
        sys.stdout.write(f"{about.strip()}\n\n{_MORE}\n")
        sys.exit(0)


def from_checkout(name: str) -> Body:
    """Return the body of a command that lies in `benchmarks/`, beside the package in a checkout."""
    checkout = Path(__file__).parents[1]
    if (checkout / "benchmarks" / name).is_dir() and str(checkout) not in sys.path:
        sys.path.append(str(checkout))
    try:
        return importlib.import_module(f"benchmarks.{name}.command").main
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("benchmarks"):
            raise
        raise UsageError(
            f"{name} is an experiment, which an installed ddoq does not contain",
            f"run `python -m benchmarks.{name}` in a checkout of ddoq's sources",
        ) from error


def _prepare() -> None:
    # Find a user's own modules in the working directory, with `ddoq` as with `python -m`.
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    warnings.formatwarning = _one_line
    os.environ.setdefault("DIFFUSERS_DISABLE_REMOTE_CODE", "1")
    # What a terminal cannot show is dropped, without an error.
    sys.stdout, sys.stderr = _outlet(sys.stdout), _outlet(sys.stderr)
    stop.install(_before_end)


def _one_line(message: Warning | str, *place: Any, **more: Any) -> str:
    """Return a warning in the style of an error, without the line of code that it comes from."""
    return f"warning: {' '.join(str(message).split())}\n"


def _before_end() -> None:
    """Clean up before a second signal, or the time limit, ends the process at once."""
    ranks.kill()
    if _is_first() and not _has_said_why:
        os.write(2, b"stopped at once; run it again to go on\n")


def _is_first() -> bool:
    return int(os.environ.get("LOCAL_RANK", "0")) == 0


def _outlet(stream: Any) -> Any:
    return stream if isinstance(stream, Outlet) else Outlet(stream)


def _leave_outlets() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Outlet):
            stream.leave()


def _end_stopped(number: int) -> NoReturn:
    """End with the exit code of a signal."""
    stop.ask(number)
    _end(128 + number, "stopped; run it again to go on")


def _end_if_stopped() -> None:
    """End as a signal asked, if one came before an error, as it is often the error's cause."""
    if number := stop.asked():
        _end_stopped(number)


def _end_if_lost(error: Exception) -> None:
    """End as another rank did, if its end is the error's cause."""
    code = ranks.lost(error)
    if code in (130, 143):
        _end_stopped(code - 128)
    if code:
        _end(code, "error: another rank ended\n  remedy: see its own message; then run it again")


def _as_ddoq(error: Exception) -> DdoqError | None:
    """Turn a refusal by the machine into an error with a remedy."""
    cause, name = refused_by_the_machine(error), getattr(error, "filename", None)
    remedy = "free some space, or choose folders that you may write to: cache=..., out=..."
    return ResourceError(f"{cause}{f': {name}' if name else ''}", remedy) if cause else None


def _end(code: int, message: str, *, show: bool = False) -> NoReturn:
    global _has_said_why
    stop.finish()
    if show:
        traceback.print_exc()
    if not _is_first() and not stop.asked():
        time.sleep(_GRACE_SECONDS)
    if _is_first() or not stop.asked():
        _has_said_why = True
        sys.stderr.write(message + "\n")
    _leave_outlets()
    ranks.abort(_SAVING_SECONDS if stop.asked() else 0.0)
    # Other ranks may never answer, and waiting for them at exit would hang.
    if ranks.are_several():
        os._exit(code)
    sys.exit(code)
