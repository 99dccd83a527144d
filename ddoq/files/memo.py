"""Memos: results about files or code that have not changed since."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ddoq.files.artifacts import fingerprint, read_json, write_json


def user_cache() -> Path:
    """Return the user's own folder for what any run can make again."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache) / "ddoq"


def remembered(
    what: str, key: Any, compute: Callable[[], dict[str, Any]], *, memo: Path | None = None
) -> dict[str, Any]:
    """Return what was computed for this key before. If nothing was, compute it and store it.

    If a memo is damaged, or cannot be read or written, the result is computed again.

    Args:
        what: The name of such memos.
        key: Plain data that determines the result.
        compute: Computes the result. Its errors are not stored.
        memo: The folder of memos; the user's cache folder if None.
    """
    file = (memo or user_cache()) / f"{what}-{fingerprint(key)}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        known = read_json(file)
        if known["checksum"] == fingerprint(known["value"]):
            return known["value"]
    value = compute()
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"value": value, "checksum": fingerprint(value)})
    return value
