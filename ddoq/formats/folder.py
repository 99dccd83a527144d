"""Our own folders: what `SyntheticSet.save` and every run write."""

from dataclasses import replace
from pathlib import Path

from ddoq.errors import UsageError
from ddoq.formats.told import Told
from ddoq.synthetic import SyntheticSet


def inner(path: Path) -> Path:
    """Return the folder of the set: a run's set lies in its `synthetic/`."""
    return path if (path / "set.json").is_file() else path / "synthetic"


def read(path: Path, told: Told) -> SyntheticSet:
    """Read a set of ours. Its images are never normalized."""
    if told.normalized not in (None, "none"):
        raise UsageError(
            f"{path}: normalized={told.normalized}, but a set of ddoq's is never normalized",
            "leave normalized= out",
        )
    found = SyntheticSet.load(inner(path))
    if told.targets == "ignore":
        found = replace(found, targets=None)
    if told.lr is not None:
        found = replace(found, hints={**found.hints, "lr": float(told.lr)})
    return found
