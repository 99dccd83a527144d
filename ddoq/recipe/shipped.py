"""The places of the recipes and weights that come with the package."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
# In a wheel they are package data. In a checkout they lie beside the package.
ROOT = _PACKAGE / "shipped" if (_PACKAGE / "shipped").is_dir() else _PACKAGE.parent


def recipes() -> Path:
    """Return the folder of shipped recipes."""
    return ROOT / "recipes"


def locate(path: str) -> Path:
    """Return `path` or, if it does not exist, the shipped file of that name."""
    own = Path(path).expanduser()
    shipped = ROOT / path
    return shipped if not own.exists() and shipped.exists() else own
