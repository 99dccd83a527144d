"""Where do the recipes and weights that come with the package lie?"""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
# In a wheel they are package data; in a checkout they stand beside the package.
ROOT = _PACKAGE / "shipped" if (_PACKAGE / "shipped").is_dir() else _PACKAGE.parent


def recipes() -> Path:
    """Return the folder of shipped recipes."""
    return ROOT / "recipes"


def locate(path: str) -> Path:
    """Return `path` as it stands or, where nothing is there, its shipped namesake."""
    own = Path(path).expanduser()
    shipped = ROOT / path
    return shipped if not own.exists() and shipped.exists() else own
