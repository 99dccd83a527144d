"""Errors in a user's own code, reported with its file and line."""

import contextlib
import errno
import inspect
import os
import sys
import traceback
from collections.abc import Generator
from typing import Any

from ddoq.errors import DdoqError, UsageError, is_out_of_memory
from ddoq.recipe.signature import local_sources

_REMEDY = "correct that code, which is not ddoq's; debug=true shows the traceback"
_OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT)

# The files of the imported plug-ins, and of modules beside them that these import.
_files: set[str] = set()


@contextlib.contextmanager
def blamed(target: str | None = None, component: Any = None) -> Generator[None]:
    """Turn an error in a user's code into one that names the file and line.

    If no frame is in the user's code, as when a constructor is called with a wrong argument, the
    definition of `component` is named.
    """
    if target is not None:
        _files.update(map(str, local_sources(target.partition(":")[0])))
    try:
        yield
    except (DdoqError, MemoryError):
        raise
    except Exception as error:
        place = _line_of(error) or (place_of(component) if component is not None else None)
        if place is None or _is_of_the_machine(error):
            raise
        name = f" {target}:" if target else ""
        message = str(error).strip().partition("\n")[0]
        raise UsageError(f"{place}:{name} {type(error).__name__}: {message}", _REMEDY) from error


def _line_of(error: BaseException) -> str | None:
    """Return the innermost line of a user's file in an error's traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if os.path.realpath(f.filename) in _files]
    return f"{_shown(own[-1].filename)}:{own[-1].lineno}" if own else None


def _is_of_the_machine(error: Exception) -> bool:
    is_full = isinstance(error, OSError) and error.errno in _OF_THE_MACHINE
    return is_full or is_out_of_memory(error)


def place_of(component: Any) -> str | None:
    """Return the file and line where a function, a class or an object's class is defined.

    For a name, `module:Object`, it is the place of that object.
    """
    if isinstance(component, str):
        module, _, name = component.partition(":")
        component = getattr(sys.modules.get(module), name, component)
    defined = component if inspect.isroutine(component) else _class_of(component)
    try:
        file = inspect.getsourcefile(defined)
        return f"{_shown(file)}:{inspect.getsourcelines(defined)[1]}" if file else None
    except (TypeError, OSError):
        return None


def _class_of(component: Any) -> type:
    return component if isinstance(component, type) else type(component)


def _shown(file: str) -> str:
    here = os.path.relpath(file)
    return file if here.startswith("..") else here


def expect(is_right: bool, made_by: Any, what: str, wanted: str, got: Any) -> None:
    """Refuse a wrong return value, and name the line where its component is defined."""
    if not is_right:
        place = f"{place_of(made_by)}: " if place_of(made_by) else ""
        raise UsageError(f"{place}{what} returned {described(got)}", f"return {wanted}")


def expect_tensor(got: Any, shape: tuple[int, ...], made_by: Any, what: str) -> None:
    """Refuse anything but a tensor of real numbers and of this shape."""
    has_shape = tuple(getattr(got, "shape", ())) == shape
    is_right = has_shape and getattr(got, "is_floating_point", lambda: False)()
    expect(is_right, made_by, what, f"a tensor of floats of shape {shape}", got)


def described(value: Any) -> str:
    """Describe a value by its kind and shape.

    >>> described(None), described([1, 2])
    ('None', 'a list')
    """
    if value is None:
        return "None"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        kind = str(value.dtype).removeprefix("torch.")
        return f"a {type(value).__name__} of {kind} of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"
