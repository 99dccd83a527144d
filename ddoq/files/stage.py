"""A stage: a step of a run whose result is cached, and what a plan says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A kind of cached result. Whoever makes it owns its version.

    A stage's key holds the settings of what it is made from; `after` names the stages whose code
    it depends on, so that a new version of one of them gives it a new key, too.
    """

    name: str
    version: int = 0
    """Raise it when a change of the code changes the result."""
    after: "tuple[Stage, ...]" = ()

    def versioned(self, key: Mapping[str, Any]) -> dict[str, Any]:
        """Return a key with the versions of the code behind the result."""
        return {"version": [*(s.version for s in self.after), self.version], **key}

    def part(self, name: str) -> "Stage":
        """Return a stage of the same code, in a folder of its own within this one's."""
        return Stage(f"{self.name}/{name}", self.version, self.after)


# The weights that a run trains itself; `pretrain/teacher` is one part of it.
PRETRAIN = Stage("pretrain", 3)


@dataclass(frozen=True)
class Planned:
    """A stage that a set stands on, for a plan to name and count."""

    stage: Stage
    key: Mapping[str, Any]
    what: str = ""
    """How the plan calls it; the stage's name if nothing is said."""
    needs: str = ""
    """What it has to do; the number of sets and their images if nothing is said."""
