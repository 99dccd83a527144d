"""The run of a recipe: it makes components, runs stages and records their costs."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddoq.run.run import Run

__all__ = ["Run"]


def __getattr__(name: str) -> Any:
    """Import `Run` when it is first used: the other modules here do not need its imports."""
    if name not in __all__:
        raise AttributeError(f"module 'ddoq.run' has no attribute {name!r}")
    return getattr(importlib.import_module("ddoq.run.run"), name)
