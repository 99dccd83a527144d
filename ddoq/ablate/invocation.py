"""What did the command line ask for?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddoq.ablate.candidates import CANDIDATES
from ddoq.errors import UsageError
from ddoq.signature import nearest


@dataclass(frozen=True)
class Invocation:
    """A command line, read."""

    latents: Path
    out: Path
    points: tuple[int, ...] = (1, 10, 50, 200)
    solvers: tuple[str, ...] = tuple(CANDIDATES)
    classes: int = 0
    """The first so many; 0 is all."""
    held_out: float = 0.35
    seeds: int = 1
    seed: int = 0
    """The first of the seeds."""
    threads: int = 1
    debug: bool = False


def read(argv: list[str]) -> Invocation:
    """Read `key=value ...`."""
    given: dict[str, Any] = {}
    for argument in argv:
        key, equals, value = argument.partition("=")
        if not equals or not key or not value:
            raise UsageError(f"{argument!r} is not key=value", "write for example points=10,50")
        if key not in _READERS:
            raise UsageError(
                f"there is no key {key!r}{nearest(key, _READERS)}",
                f"ablate has {', '.join(_READERS)}",
            )
        given[key] = _READERS[key](key, value)
    for key, example in (("latents", "latents=FOLDER"), ("out", "out=ablation")):
        if key not in given:
            raise UsageError(f"{key}= is missing", f"write for example {example}")
    return Invocation(**given)


def _latents(key: str, value: str) -> Path:
    path = Path(value).expanduser()
    if (path.suffix == ".safetensors" and path.is_file()) or (path / "manifest.json").is_file():
        return path
    raise UsageError(
        f"{key}={value} is neither a store of latents nor a safetensors file",
        "ddoq encode makes a store; a file has one tensor [n, ...] per class",
    )


def _out(key: str, value: str) -> Path:
    return Path(value).expanduser()


def _whole(least: int) -> Callable[[str, str], int]:
    def read_whole(key: str, value: str) -> int:
        if not value.isdecimal() or int(value) < least:
            raise UsageError(f"{key}={value}", f"{key} is a whole number from {least} up")
        return int(value)

    return read_whole


def _points(key: str, value: str) -> tuple[int, ...]:
    numbers = [_whole(1)(key, number) for number in value.split(",")]
    return tuple(sorted(set(numbers)))


def _solvers(key: str, value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(value.split(",")))
    for name in names:
        if name not in CANDIDATES:
            raise UsageError(
                f"{key}: there is no {name!r}{nearest(name, CANDIDATES)}",
                f"use some of {','.join(CANDIDATES)}",
            )
    return names


def _share(key: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise UsageError(f"{key}={value}", f"{key} is a share between 0 and 1, such as 0.35")
    return share


def _flag(key: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise UsageError(f"{key}={value}", f"{key} is true or false")
    return value.lower() == "true"


_READERS: dict[str, Callable[[str, str], Any]] = {
    "latents": _latents,
    "out": _out,
    "points": _points,
    "solvers": _solvers,
    "classes": _whole(0),
    "held_out": _share,
    "seeds": _whole(1),
    "seed": _whole(0),
    "threads": _whole(1),
    "debug": _flag,
}
