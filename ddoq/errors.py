"""What can go wrong, and the exit code that says so."""


class DdoqError(Exception):
    """A failure that a person can mend: one line of cause, one line of remedy."""

    exit_code = 1

    def __init__(self, cause: str, remedy: str) -> None:
        # Both, so that an error can travel from a worker process.
        super().__init__(cause, remedy)
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.cause}\n  remedy: {self.remedy}"


class UsageError(DdoqError, ValueError):
    """The recipe or the command line asks for something that does not exist."""

    exit_code = 2


class DataError(DdoqError, ValueError):
    """The images cannot be used as they are."""

    exit_code = 3


class ResourceError(DdoqError, RuntimeError):
    """The machine lacks something: a package, a file, memory, permission."""

    exit_code = 4


class IntegrityError(DdoqError, RuntimeError):
    """Something is not what it was, or not a number."""

    exit_code = 5
