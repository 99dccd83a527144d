"""What was found out once about files or code that have not changed since?"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ddoq.files.artifacts import fingerprint, read_json, write_json


def remembered(
    what: str, key: Any, compute: Callable[[], dict[str, Any]], *, memo: Path | None = None
) -> dict[str, Any]:
    """Return what was computed for the same key before; else compute it and write it down.

    A memo that cannot be read or written, or is damaged, only costs the time to compute again.

    Args:
        what: What such a memo is called.
        key: Plain data that determines the result.
        compute: Finds it out; what it raises is not remembered.
        memo: Where results are remembered; the user's cache folder if None.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    file = (memo or Path(cache) / "ddoq") / f"{what}-{fingerprint(key)}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        known = read_json(file)
        if known["checksum"] == fingerprint(known["value"]):
            return known["value"]
    value = compute()
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"value": value, "checksum": fingerprint(value)})
    return value
