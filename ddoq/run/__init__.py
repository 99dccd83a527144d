"""The workshop of a recipe: makes components, runs stages, remembers what they cost."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddoq.run.run import Run

__all__ = ["Run"]


def __getattr__(name: str) -> Any:
    """Fetch `Run` when it is first used: the modules beside it need no images."""
    if name not in __all__:
        raise AttributeError(f"module 'ddoq.run' has no attribute {name!r}")
    return getattr(importlib.import_module("ddoq.run.run"), name)
