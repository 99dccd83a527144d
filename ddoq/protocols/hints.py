"""Hints: settings that belong to a set, which a protocol may use in place of its own."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from ddoq.errors import DataError

# The accepted values of each hint, in words.
HINTS = {
    "lr": "a learning rate above 0, or a list of them, one for each stage",
    "tiles": "a whole number of at least 1: an image has so many rows and columns of smaller ones",
    "stages": "a whole number of at least 1",
    "ridge": "a number above 0",
}


def refuse_hints(hints: Mapping[str, Any]) -> None:
    """Refuse unknown hints, and values that a hint cannot have."""
    for name, value in hints.items():
        if name not in HINTS:
            raise DataError(
                f"there is no hint {name!r}",
                f"a set may carry {', '.join(HINTS)}; anything else about it belongs in provenance",
            )
        if not _fits(name, value):
            raise DataError(f"the hint {name} is {value!r}", f"give {HINTS[name]}")


def _fits(name: str, value: Any) -> bool:
    if name in ("tiles", "stages"):
        return isinstance(value, int) and not isinstance(value, bool) and value >= 1
    numbers = value if name == "lr" and isinstance(value, list) and value else [value]
    return all(
        isinstance(n, int | float) and not isinstance(n, bool) and isfinite(n) and n > 0
        for n in numbers
    )
