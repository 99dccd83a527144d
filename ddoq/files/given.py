"""Errors for damaged files that a user gave. They name the file, and are no bug of ddoq."""

import contextlib
from collections.abc import Generator
from pathlib import Path

from ddoq.errors import DdoqError, IntegrityError, is_out_of_memory

# The errors of reading a file, or a network from it, if its content is not as expected.
# JSON's and Unicode's errors are ValueErrors.
_SIGNS = (ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError, EOFError)


@contextlib.contextmanager
def intact(place: Path | str) -> Generator[None]:
    """Turn errors of reading a user's file into one that names it."""
    from safetensors import SafetensorError

    try:
        yield
    except DdoqError:
        raise
    except (*_SIGNS, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        said = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise IntegrityError(
            f"{place}: damaged, or not what it should be ({type(error).__name__}: {said})",
            "copy it again, or make it again",
        ) from error
