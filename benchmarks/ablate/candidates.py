"""Which solvers, shrinkages and weightings are compared, and with which settings?"""

import importlib
from dataclasses import dataclass, field
from typing import Any

from ddoq.recipe.tables import SOLVERS


@dataclass(frozen=True)
class Candidate:
    """A solver with its settings."""

    solver: str
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    keeps_counts: bool = False
    """Masses are the solver's own running counts, not those of the final cells."""

    def make(self) -> Any:
        """Make the solver."""
        module, _, name = SOLVERS[self.solver].partition(":")
        return getattr(importlib.import_module(module), name)(**self.settings)


_FIXED = {
    "expand": 10,
    "passes": 4,
    "reassign": False,
    "drop_tail": False,
    "streaming_counts": False,
}
CANDIDATES = {
    "d4m": Candidate("d4m", keeps_counts=True),
    "d4m-fixed": Candidate("d4m", _FIXED),
    "clvq": Candidate("clvq"),
    "faiss": Candidate("faiss"),
    "lloyd-plain": Candidate("lloyd", {"hartigan": False, "restarts": 1}),
    "lloyd": Candidate("lloyd"),
}
SHRINKAGES = ("none", "mean", "directions")
WEIGHTINGS = ("uniform", "mass", "root")
FOLDS = 4
"""Of the fitting split, to choose the strength of a shrinkage."""
