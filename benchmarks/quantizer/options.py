"""Arguments of the form key=value, read into a dataclass that is their schema."""

import dataclasses
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from ddoq.errors import UsageError

T = TypeVar("T")

_READERS: dict[Any, Any] = {
    int: int,
    float: float,
    str: str,
    Path: Path,
    tuple[int, ...]: lambda text: tuple(int(number) for number in text.split(",")),
}


def read(schema: type[T], argv: list[str]) -> T:
    """Return the options that `argv` sets, the others at their defaults."""
    types = get_type_hints(schema)
    values: dict[str, Any] = {}
    for argument in argv:
        key, equals, text = argument.partition("=")
        if not equals or key not in types:
            raise UsageError(f"cannot take {argument!r}", f"accepted: {_accepted(schema)}")
        try:
            values[key] = _READERS[types[key]](text)
        except ValueError as error:
            raise UsageError(f"{argument!r}: {error}", f"{key} is a {types[key]}") from error
    missing = [f.name for f in dataclasses.fields(schema) if _is_needed(f) and f.name not in values]  # type: ignore[arg-type]
    if missing:
        raise UsageError(f"{missing[0]}= is missing", f"accepted: {_accepted(schema)}")
    return schema(**values)


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING


def _accepted(schema: type) -> str:
    return " ".join(
        f"{f.name}=" if _is_needed(f) else f"{f.name}={_shown(f.default)}"
        for f in dataclasses.fields(schema)
    )


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
