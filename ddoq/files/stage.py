"""A stage: a step of a run whose result is cached, and what a plan says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A kind of cached result. The code that makes it owns its version.

    A stage's key holds the settings of what it is made from. `after` names the stages whose code
    it depends on. A new version of one of them gives this stage a new key too.
    """

    name: str
    version: int = 0
    """The version of the code. Raise it when a change of the code changes the result."""
    after: "tuple[Stage, ...]" = ()

    def versioned(self, key: Mapping[str, Any]) -> dict[str, Any]:
        """Return a key with the versions of the code that the result depends on."""
        return {"version": [*(s.version for s in self.after), self.version], **key}

    def part(self, name: str) -> "Stage":
        """Return a stage of the same code, whose folder lies within this one's."""
        return Stage(f"{self.name}/{name}", self.version, self.after)


# The weights that a run trains itself, in parts such as `pretrain/teacher`.
PRETRAIN = Stage("pretrain", 3)


@dataclass(frozen=True)
class Planned:
    """A stage that a set depends on, which a plan names and counts."""

    stage: Stage
    key: Mapping[str, Any]
    what: str = ""
    """Its name in the plan, by default the stage's name."""
    needs: str = ""
    """The work to do, by default the number of sets and how large they are."""
    number: int | None = None
    """How many images or points a set has there."""
    is_beside: bool = False
    """Whether it tells something of the set, which would be the same without it."""
