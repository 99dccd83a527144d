"""Output streams for people, whose failures do not stop a run."""

import contextlib
import os
from collections.abc import Iterable
from typing import Any

# Replacements for characters that the encoding lacks, one for one, so that tables stay aligned.
_PLAIN = str.maketrans("±─·→", "~-->")


class Outlet:
    """A text stream that shows what it can.

    Characters that it cannot encode are replaced. Text that a closed pipe or a full disk does not
    take is lost.
    """

    def __init__(self, stream: Any) -> None:
        """Take a text stream, or None if the process was started without one."""
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
        """Flush buffered text, if possible."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def leave(self) -> None:
        """Drop text that cannot be flushed, as Python would try again at its end, and fail."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
