"""The output of a run for people: lines, tables, and one progress bar per stage."""

import contextlib
import json
import math
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from rich.console import Console as Terminal
from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ddoq.display.duration import duration

# Without a terminal, a stage prints at most once in these seconds.
_PAUSE_SECONDS = 10.0
_NOTICEABLE_SECONDS = 1.0


class StageBar:
    """The progress of a running stage."""

    def __init__(self, on_advance: Callable[[int], None]) -> None:
        self._on_advance = on_advance
        self.done = self.resumed = 0

    def advance(self, n: int = 1) -> None:
        """Count `n` more steps as done."""
        self.done += n
        self._on_advance(self.done)

    def resume(self, done: int) -> None:
        """Begin with the steps that an earlier process did; they tell nothing about this one."""
        self.resumed = done
        self.advance(done)


class Console:
    """The output of a run: the terminal, and `log.jsonl`.

    Args:
        is_silent: Print, show and log nothing, as on ranks above 0.
        terminal: The terminal to write to; rich's view of standard output by default.
        clock: Returns seconds since any fixed moment.
    """

    def __init__(
        self,
        *,
        is_silent: bool = False,
        terminal: Terminal | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terminal = terminal or Terminal(highlight=False)
        self._is_silent = is_silent
        self._clock = clock
        self._start = clock()
        self._progress: Progress | None = None
        self._log: Path | None = None
        self._unlogged: list[str] = []

    def say(self, text: str) -> None:
        """Print a line of text as it is."""
        if not self._is_silent:
            self._terminal.print(text, markup=False, highlight=False, soft_wrap=True)

    def tell(self, text: str) -> None:
        """Print a sentence, broken between words where the terminal ends."""
        self.show(Text(text))

    def show(self, renderable: RenderableType) -> None:
        """Print a table, or anything else that rich can show."""
        if not self._is_silent:
            self._terminal.print(renderable)

    def open_log(self, path: Path) -> None:
        """Append events to this file from now on. Those logged before are written first."""
        self._log = path
        self._flush()

    def log(self, event: dict[str, Any]) -> None:
        """Append an event to the log, with the seconds since the start."""
        if self._is_silent:
            return
        seconds = round(self._clock() - self._start, 3)
        plain = {key: _finite(value) for key, value in event.items()}
        self._unlogged.append(json.dumps({"seconds": seconds, **plain}, default=str))
        self._flush()

    def _flush(self) -> None:
        if self._log is None or not self._unlogged:
            return
        with self._log.open("a", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in self._unlogged)
        self._unlogged.clear()

    @contextlib.contextmanager
    def stage(self, name: str, total: int | None = None) -> Generator[StageBar]:
        """Show the progress of a stage, and print how long it took, if this was noticeable.

        Stages may be nested.
        """
        start = self._clock()
        shown = self._bar if self._terminal.is_terminal else self._lines
        try:
            with (self._nothing if self._is_silent else shown)(name, total) as stage:
                yield stage
        except BaseException:
            self.say(f"{name}: stopped after {duration(self._clock() - start)}")
            raise
        if self._clock() - start >= _NOTICEABLE_SECONDS:
            self.say(f"{name}: done in {duration(self._clock() - start)}")

    @contextlib.contextmanager
    def _bar(self, name: str, total: int | None) -> Generator[StageBar]:
        """Show a bar. All bars share one live display, as rich allows only one."""
        outermost = self._progress is None
        progress = self._progress or _new_progress(self._terminal)
        with progress if outermost else contextlib.nullcontext():
            self._progress = progress
            task = progress.add_task(name, total=total)
            try:
                yield StageBar(lambda done: progress.update(task, completed=done))
            finally:
                progress.refresh()
                progress.remove_task(task)
                self._progress = None if outermost else progress

    @contextlib.contextmanager
    def _lines(self, name: str, total: int | None) -> Generator[StageBar]:
        start = spoken = self._clock()

        def speak(done: int) -> None:
            nonlocal spoken
            now = self._clock()
            if now - spoken >= _PAUSE_SECONDS and done != total:
                spoken = now
                self.say(f"{name}: {_state(done, total, stage.resumed, now - start)}")

        stage = StageBar(speak)
        yield stage

    @contextlib.contextmanager
    def _nothing(self, name: str, total: int | None) -> Generator[StageBar]:
        yield StageBar(lambda done: None)


class _Rate(ProgressColumn):
    """Steps per second, which rich does not show by itself."""

    def render(self, task: Task) -> Text:
        """Return the rate of the last steps."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="dim")


def _new_progress(terminal: Terminal) -> Progress:
    name = TextColumn("{task.description}", markup=False)
    columns = (name, BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    return Progress(*columns, console=terminal, transient=True)


def _state(done: int, total: int | None, resumed: int, seconds: float) -> str:
    """Describe the progress of a stage: `30/120, 2.5/s, 36 s left`, or `3/12, 21 s each, ...`."""
    rate = (done - resumed) / seconds
    if not rate:
        return f"{done}/{total}" if total else f"{done}"
    pace = f"{rate:.1f}/s" if rate >= 1 else f"{duration(1 / rate)} each"
    if total is None:
        return f"{done}, {pace}"
    return f"{done}/{total}, {pace}, {duration((total - done) / rate)} left"


def _finite(value: Any) -> Any:
    """Replace a float that JSON lacks by its name."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
