"""Places of files on this machine, which what is passed on does not tell."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any


def without_places(value: Any) -> Any:
    """Return plain data in which every absolute path is shortened to its last part.

    >>> without_places({"prior /home/me/dit": ["~/photos", "mit"], "seed": 0})
    {'prior dit': ['photos', 'mit'], 'seed': 0}
    """
    if isinstance(value, Mapping):
        return {_shortened(str(k)): without_places(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_places(v) for v in value]
    return _shortened(value) if isinstance(value, str) else value


def _shortened(text: str) -> str:
    part, _, place = text.partition(" ")
    if _is_place(text):
        return PurePath(text).name
    return f"{part} {PurePath(place).name}" if _is_place(place) else text


def _is_place(text: str) -> bool:
    return PurePath(text).is_absolute() or text.startswith("~")
