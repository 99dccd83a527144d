"""The end of a run by a signal: after its state is saved, and within half a minute.

SIGTERM and SIGINT raise `Stopped` where the program is. While a training defers them, they are only
noted, and the training ends itself after its current step. A thread also notes them at once, even
while the main thread waits inside a library. It ends the process at a second signal, or when time
is up.
"""

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any, NoReturn

# The seconds from the first signal to the end, whatever the main thread is doing.
SECONDS = 30.0
# The seconds that it has to return from a library, if it has no state to save.
_REACTING_SECONDS = 3.0
# Launchers and `timeout` send a signal to a process and to its group. These count as one signal.
_SAME_SECONDS = 0.3

_NUMBERS = (signal.SIGTERM, signal.SIGINT)
# `ask` adds this to a number, which then never counts as a second signal.
_NOT_COUNTED = 128


class Stopped(BaseException):
    """The process was asked to end by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _Watch:
    """The signals that this process received."""

    def __init__(self, before_end: Callable[[], None], *, raises: bool) -> None:
        self.asked: int | None = None
        self.deferrals = 0
        self.is_finishing = False
        # Whether it finishes because of a signal, of which the thread may hear only later.
        self.is_answering = False
        self.is_raised = False
        self._before_end, self._raises = before_end, raises
        self._end, self._begin = socket.socketpair()
        self._begin.setblocking(False)
        # A shell ignores interrupts in background processes.
        self._handled = [n for n in _NUMBERS if signal.getsignal(n) is not signal.SIG_IGN]
        self._handlers: dict[int, Any] = {n: signal.signal(n, self.handle) for n in self._handled}
        signal.set_wakeup_fd(self._begin.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._listen, daemon=True, name="signals").start()

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Raise in the main thread the first time, unless a training saves its state first."""
        self.asked = self.asked or number
        if self.is_finishing:
            return  # The thread ends the process, unless this is the signal that it already knows.
        if not (self._raises or self.deferrals):
            self.end(self.asked)
        if not self.deferrals:
            self.raise_once()

    def raise_once(self) -> None:
        """Raise `Stopped`, if a signal came and it was not raised yet."""
        if self.asked and not self.is_raised:
            self.is_raised = True
            raise Stopped(self.asked)

    def ask(self, number: int) -> None:
        """Note the signal of another rank. The time limit starts here too."""
        if not self.asked:
            self.asked = number
            self._begin.send(bytes([number + _NOT_COUNTED]))

    def end(self, number: int) -> NoReturn:
        """End the process at once."""
        with contextlib.suppress(Exception):
            self._before_end()
        os._exit(128 + number)

    def _listen(self) -> None:
        first: float | None = None
        while True:
            left = None if first is None else max(0.0, self._left(first))
            if not select.select([self._end], [], [], left)[0]:
                if first is not None and self._left(first) <= 0:
                    self.end(self.asked or signal.SIGTERM)
                continue
            received = self._end.recv(1)
            if not received:
                self._end.close()
                return  # `give_up` closed the other end.
            number, now = received[0], time.monotonic()
            if number % _NOT_COUNTED not in _NUMBERS:
                continue
            self.asked = self.asked or number % _NOT_COUNTED
            is_late = first is None and self.is_finishing and not self.is_answering
            is_second = first is not None and now - first > _SAME_SECONDS
            first = first or now
            if number in _NUMBERS and (is_second or is_late):
                self.end(self.asked)

    def _left(self, first: float) -> float:
        """Return the seconds that are left after a first signal."""
        is_saving = self.deferrals or self.is_raised
        return (
            first + (SECONDS if is_saving else min(SECONDS, _REACTING_SECONDS)) - time.monotonic()
        )

    def give_up(self, *, in_fork: bool) -> None:
        """Restore the earlier signal handlers."""
        with contextlib.suppress(ValueError):
            signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._begin.close()
        if in_fork:  # The thread that would close it is not in the fork.
            self._end.close()


_watch: _Watch | None = None


def install(before_end: Callable[[], None] = lambda: None, *, raises: bool = True) -> None:
    """Handle signals from now on.

    Args:
        before_end: Called before the process ends at once.
        raises: Whether `Stopped` is raised if no training defers it; otherwise the process ends.
    """
    global _watch
    forget()
    _watch = _Watch(before_end, raises=raises)


def forget(*, in_fork: bool = False) -> None:
    """Stop handling signals."""
    global _watch
    if _watch is not None:
        _watch.give_up(in_fork=in_fork)
    _watch = None


# A fork has its parent's handlers, which would write to the parent's thread.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: forget(in_fork=True))


def asked() -> int | None:
    """Return the signal that asked this process, or another rank, to end."""
    return _watch.asked if _watch else None


def ask(number: int) -> None:
    """Note that a signal asked another rank to end."""
    if _watch:
        _watch.ask(number)


def now(number: int) -> NoReturn:
    """Raise `Stopped` for a signal here or on another rank. No further signal raises again."""
    ask(number)
    if _watch:
        _watch.is_raised = True
    raise Stopped(number)


@contextlib.contextmanager
def deferred() -> Generator[None]:
    """Only note signals within this context, which reads `asked`; a pending one raises after it."""
    if _watch is None:
        yield
        return
    _watch.deferrals += 1
    try:
        yield
    finally:
        _watch.deferrals -= 1
    if not _watch.deferrals:
        _watch.raise_once()


def finish() -> None:
    """End at once at any further signal, as the rest is not worth waiting for."""
    if _watch and not _watch.is_finishing:
        _watch.is_answering = _watch.asked is not None
        _watch.is_finishing = True
