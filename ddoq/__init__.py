"""Distill a labeled image data set into a small weighted one, and prove that it works."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddoq.api import compare, distill, evaluate, load
    from ddoq.recipe import Recipe
    from ddoq.synthetic import SyntheticSet

__version__ = "0.1.0"
__all__ = ["Recipe", "SyntheticSet", "compare", "distill", "evaluate", "load"]

# Importing ddoq imports nothing heavy. A name is imported when it is first used.
_HOMES = {
    "Recipe": "ddoq.recipe",
    "SyntheticSet": "ddoq.synthetic",
    "compare": "ddoq.api",
    "distill": "ddoq.api",
    "evaluate": "ddoq.api",
    "load": "ddoq.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ddoq' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
