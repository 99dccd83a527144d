"""Command lines of `key=value`: reading a pair, and the schemas of commands without a recipe.

A command's schema is a frozen dataclass. Its fields are the keys, their types say how a value is
read, and `__post_init__` refuses invalid combinations with a `UsageError`.
"""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from ddoq.errors import UsageError
from ddoq.recipe.signature import nearest

T = TypeVar("T")


def pair(argument: str, remedy: str = "write for example seed=1") -> tuple[str, str]:
    """Split an argument into its key and its value."""
    key, equals, value = argument.partition("=")
    if key.startswith("-"):
        plain = key.lstrip("-").replace("-", "_") or "key"
        raise UsageError(
            f"{argument!r} is not key=value", f"write {plain}={value or 'VALUE'}, without dashes"
        )
    if not equals or not key:
        raise UsageError(f"{argument!r} is not key=value", remedy)
    return key, value


def read(schema: type[T], argv: list[str], command: str) -> T:
    """Read the settings of `command` from `argv`. Keys that are not given keep their defaults."""
    types, takes = get_type_hints(schema), _takes(schema, command)
    given: dict[str, Any] = {}
    for key, value in [pair(argument, takes) for argument in argv]:
        if key not in types:
            raise UsageError(f"there is no key {key!r}{nearest(key, types)}", takes)
        if not value:
            raise UsageError(f"{key}= has no value", takes)
        given[key] = _READERS[types[key]](key, value)
    for field in dataclasses.fields(schema):  # type: ignore[arg-type]
        if _is_needed(field) and field.name not in given:
            raise UsageError(f"{field.name}= is missing", takes)
    return schema(**given)


def at_least(least: int, **numbers: int) -> None:
    """Refuse a number below `least`."""
    for key, number in numbers.items():
        if number < least:
            raise UsageError(f"{key}={number}", f"{key} is a whole number from {least} up")


def flag(key: str, value: str) -> bool:
    """Read true or false."""
    if value.lower() not in ("true", "false"):
        raise UsageError(f"{key}={value}", f"{key} is true or false")
    return value.lower() == "true"


def _whole(key: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise UsageError(f"{key}={value}", f"{key} is a whole number") from None


def _number(key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise UsageError(f"{key}={value}", f"{key} is a number") from None
    if not math.isfinite(number):
        raise UsageError(f"{key}={value}", f"{key} is a finite number")
    return number


_READERS: dict[Any, Callable[[str, str], Any]] = {
    bool: flag,
    int: _whole,
    float: _number,
    str: lambda key, value: value,
    Path: lambda key, value: Path(value).expanduser(),
    tuple[int, ...]: lambda key, value: tuple(_whole(key, part) for part in value.split(",")),
    tuple[str, ...]: lambda key, value: tuple(dict.fromkeys(value.split(","))),
}


def _is_needed(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING


def _takes(schema: type, command: str) -> str:
    keys = " ".join(
        f"{field.name}=..." if _is_needed(field) else f"{field.name}={_shown(field.default)}"
        for field in dataclasses.fields(schema)
    )
    return f"{command} takes {keys}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
