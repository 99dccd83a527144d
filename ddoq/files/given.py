"""What a user gives may be damaged: that is said, with the file's name, and is no bug of ddoq."""

import contextlib
from collections.abc import Generator
from pathlib import Path

from ddoq.errors import DdoqError, IntegrityError

# What reading a file, or a network from it, raises where something else is in it than expected.
# JSON's and Unicode's errors are values that are wrong.
_SIGNS = (ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError, EOFError)


@contextlib.contextmanager
def intact(place: Path | str) -> Generator[None]:
    """Turn what is raised while a user's file is read into an error that names it."""
    from safetensors import SafetensorError

    try:
        yield
    except DdoqError:
        raise
    except (*_SIGNS, SafetensorError) as error:
        if type(error).__name__ == "OutOfMemoryError":
            raise
        said = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise IntegrityError(
            f"{place}: it is damaged, or not what it should be ({type(error).__name__}: {said})",
            "copy it again, or make it anew",
        ) from error
