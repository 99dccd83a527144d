"""The folder of a user's own images: whether it is there, asked before anything slow is loaded."""

import difflib
from pathlib import Path

from ddoq.errors import DataError
from ddoq.recipe.schema import Recipe

# Sources that read the folder which they are given. Others may yet have to fill theirs.
OWN_FOLDER = ("imagefolder", "parquet")


def refuse_absent_root(recipe: Recipe) -> None:
    """Refuse a `data.root` that does not exist."""
    root = recipe.data.get("root")
    if recipe.data["name"] in OWN_FOLDER and root and not Path(root).expanduser().exists():
        raise absent(Path(root).expanduser())


def absent(root: Path) -> DataError:
    """Return the error that a folder does not exist, with a name like it that does."""
    missing = next(p for p in reversed((root, *root.parents)) if not p.exists())
    try:
        beside = [f.name for f in missing.parent.iterdir()]
    except OSError:
        beside = []
    close = difflib.get_close_matches(missing.name, beside, n=1)
    meant = missing.parent / close[0] / root.relative_to(missing) if close else None
    if meant is not None and meant.exists():
        return DataError(f"{root}: there is no such folder", f"did you mean data.root={meant}?")
    what = f"{missing} does not exist; " if missing != root else ""
    return DataError(
        f"{root}: there is no such folder", f"{what}set data.root to a folder of class folders"
    )
