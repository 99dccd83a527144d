"""Where do lines go that a person may read? To a stream whose failures cost no result."""

import contextlib
import os
from collections.abc import Iterable
from typing import Any

# Shown where the encoding lacks the sign; one for one, so that tables stay aligned.
_PLAIN = str.maketrans("±─·→", "~-->")


class Outlet:
    """A text stream that shows what it can.

    What it cannot encode becomes a sign that it can; what a closed pipe or a full disk does not
    take is lost.
    """

    def __init__(self, stream: Any) -> None:
        """Take a text stream, or None where a process was started without one."""
        self._stream = stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 -- kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write what can be written."""
        # A closed stream raises ValueError.
        with contextlib.suppress(OSError, ValueError):
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                known = self._stream.encoding
                self._stream.write(text.translate(_PLAIN).encode(known, "replace").decode(known))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write what can be written."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand over what waits, if it can be."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def leave(self) -> None:
        """Drop what cannot be handed over: Python would try once more at its end, and fail."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
