"""Publishing under a name that a user chose, and what may be replaced there."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from ddoq.errors import UsageError
from ddoq.files.artifacts import MANIFEST, commit, read_json

RUN_LOG = "log.jsonl"
# The runs that a remedy names.
_NAMED = 5


def publish(folder: Path, kind: str, fill: Callable[[Path], object]) -> None:
    """Publish the files that `fill` writes under a name that the user chose."""
    refuse_foreign(folder, kind)
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as place:
        work = Path(place) / folder.name
        work.mkdir()
        fill(work)
        commit(work, folder, {"kind": kind})


def refuse_foreign(folder: Path, kind: str) -> None:
    """Refuse to replace anything but an empty folder or one that was published as this kind."""
    try:
        wrong = _foreign(folder, kind)
    except OSError:
        return  # A place that cannot be read is refused when it is written to.
    if wrong:
        raise UsageError(
            f"{folder} {wrong}; it would be replaced by {kind}",
            "give a folder that is empty or not there yet, or move away what is in it",
        )


def _foreign(folder: Path, kind: str) -> str | None:
    """Say which content of a folder would be lost if it were replaced."""
    if not folder.is_dir():
        return "is no folder" if folder.exists() or folder.is_symlink() else None
    if not any(folder.iterdir()):
        return None
    try:
        manifest = read_json(folder / MANIFEST)
        listed, own = [Path(name) for name in manifest["files"]], manifest.get("kind")
        own = own or manifest["stage"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "holds files that ddoq did not publish"
    if own != kind:
        return f"holds {own}"
    known = {Path(MANIFEST), *listed, *(place for name in listed for place in name.parents)}
    strange = sorted({f.relative_to(folder) for f in folder.rglob("*")} - known)
    return f"holds {strange[0]}, which ddoq did not publish" if strange else None


def refuse_foreign_run(folder: Path) -> None:
    """Refuse to overwrite files that are not a run's."""
    refuse_foreign(folder / "synthetic", "synthetic set")
    try:
        present = [f for f in folder.iterdir() if f.name[0] != "."] if folder.is_dir() else []
    except OSError:
        return  # A place that cannot be read is refused when it is written to.
    if present and not _is_run(folder):
        raise UsageError(
            f"{min(present)} is not from a run of ddoq, so out={folder} is not its folder",
            "choose another out=, which is empty or not there yet",
        )


def _is_run(folder: Path) -> bool:
    """Say whether a run was opened in a folder. Its log shows this."""
    try:
        with (folder / RUN_LOG).open(encoding="utf-8") as stream:
            return "event" in json.loads(stream.readline())
    except (OSError, ValueError, TypeError):
        return False


def runs_below(folder: Path, mark: str) -> list[Path]:
    """Return the folders of runs up to three levels below a folder, the newest first.

    `mark` is a file that a run's folder has.
    """
    places = [p for depth in range(1, 4) for p in folder.glob(f"{'*/' * depth}{mark}")]
    own = [p.parents[len(Path(mark).parts) - 1] for p in places]
    return sorted(own, key=lambda p: p.stat().st_mtime, reverse=True)


def hint_at_runs(folder: Path, mark: str, otherwise: str) -> str:
    """Return a remedy that names the runs below a folder, or another one if there are none."""
    found = runs_below(folder, mark)
    if not found:
        return otherwise
    more = f", and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"give a run below it: {', '.join(map(str, found[:_NAMED]))}{more}"
