"""What stands beside a set's files (`about.json`), checked as a stranger's."""

import json
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from ddoq.errors import DataError
from ddoq.formats.layout import ABOUT_FILE


def about(folder: Path) -> dict[str, Any]:
    """Return what `about.json` says of the files beside it, if it is there. null says nothing."""
    file = folder / ABOUT_FILE
    if not file.is_file():
        return {}
    try:
        read = json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse)
        found = {k: v for k, v in {**read}.items() if v is not None}
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(
            f"{file}: it is no JSON object ({error})", "replace or remove it"
        ) from error
    for key, (wanted, fits) in _KEYS.items():
        if key in found and not fits(found[key]):
            raise DataError(
                f"{file}: {key} is {reprlib.repr(found[key])}", f"give {wanted}, or leave it out"
            )
    ids, names = (found.get(key) for key in ("class_ids", "class_names"))
    if ids and names and len(ids) != len(names):
        raise DataError(
            f"{file}: it has {len(ids)} class_ids, but {len(names)} class_names",
            "give each class one of both",
        )
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _is_provenance(value: Any) -> bool:
    sizes = [value.get(k) for k in ("images_per_class", "budget")] if _is_mapping(value) else [""]
    return all(n is None or (type(n) is int and n > 0) for n in sizes)


# The keys that are read: what each must be, in words.
_KEYS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "class_ids": ('a list of texts, as ["n01440764", "n01443537"]', _are_texts),
    "class_names": ('a list of texts, as ["tench", "goldfish"]', _are_texts),
    "hints": ('an object, as {"lr": 0.02}', _is_mapping),
    "provenance": (
        "an object, whose images_per_class and budget are whole numbers above 0",
        _is_provenance,
    ),
}
