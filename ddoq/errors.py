"""The errors that a person can fix, and their exit codes."""

import errno
import os
import re


class DdoqError(Exception):
    """A failure that a person can fix: one line of cause, one line of remedy."""

    exit_code = 1

    def __init__(self, cause: str, remedy: str) -> None:
        # Pass both, so that an error can be pickled by a worker process.
        super().__init__(cause, remedy)
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.cause}\n  remedy: {self.remedy}"


class UsageError(DdoqError, ValueError):
    """The recipe or the command line asks for something that is not possible."""

    exit_code = 2


class DataError(DdoqError, ValueError):
    """The images cannot be used as they are."""

    exit_code = 3


class ResourceError(DdoqError, RuntimeError):
    """The machine lacks something: a package, a file, memory, permission."""

    exit_code = 4


class IntegrityError(DdoqError, RuntimeError):
    """Data were changed or damaged, or a result is not a number."""

    exit_code = 5


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether a device, or torch's allocator on a CPU, has no memory left."""
    return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)


class NotMade(Exception):
    """Something is needed that is not there yet, by a run that makes nothing, as a plan does."""


_REFUSALS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
)
# The messages of safetensors' Rust writer, and of torch's, if a file could not be written.
_RUST, _TORCH = re.compile(r"\(os error (\d+)\)"), re.compile(r"inline_container.*unexpected pos")


def refused_by_the_machine(error: BaseException) -> str | None:
    """Return the machine's reason for refusing to write a file; None for other errors."""
    if isinstance(error, OSError):
        number = error.errno
    elif _TORCH.search(str(error)):
        return "a file could not be written to its end"
    else:
        found = _RUST.search(str(error))
        number = int(found[1]) if found else None
    return os.strerror(number) if number in _REFUSALS and number else None
