"""Everything that is printed, by the program and by its parts, in one file and on the terminal."""

import sys
from pathlib import Path


class Log:
    """A file to which several processes append, and which is copied to the terminal."""

    def __init__(self, file: Path) -> None:
        # Unbuffered and appending: what is written at the same time is not mixed within a line.
        self.sink = file.open("ab", buffering=0)
        self._source = file.open("rb")

    def say(self, text: str) -> None:
        """Print a line."""
        self.sink.write(f"{text}\n".encode())
        self.echo()

    def echo(self) -> str:
        """Copy to the terminal what has been written since, and return it."""
        text = self._source.read().decode(errors="replace")
        sys.stdout.write(text)
        sys.stdout.flush()
        return text

    def close(self) -> None:
        """Close the file."""
        self.sink.close()
        self._source.close()
