"""Recipes, the descriptions of runs: their reading, their checks, and the components they name."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddoq.recipe.layers import names
    from ddoq.recipe.merging import merge
    from ddoq.recipe.reading import Invocation, change, from_plain, read
    from ddoq.recipe.schema import Evaluation, Recipe

__all__ = ["Evaluation", "Invocation", "Recipe", "change", "from_plain", "merge", "names", "read"]

# Where each name is; all others are in `reading`.
_HOMES = {"Evaluation": "schema", "Recipe": "schema", "merge": "merging", "names": "layers"}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the other modules here do not need OmegaConf."""
    if name not in __all__:
        raise AttributeError(f"module 'ddoq.recipe' has no attribute {name!r}")
    home = _HOMES.get(name, "reading")
    return getattr(importlib.import_module(f"ddoq.recipe.{home}"), name)
