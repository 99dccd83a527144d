"""The parts and stages that a distiller tells in advance, for `dry_run`."""

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ddoq.run import Run


@runtime_checkable
class Planned(Protocol):
    """A distiller with stages of its own. Sets of other distillers are drawn anew each time."""

    images_per_class: int
    budget: int | None

    def parts(self, run: "Run") -> list[str]:
        """Return which of `autoencoder`, `prior` and `teacher` it reads."""
        ...

    def stages(self, run: "Run") -> dict[str, dict[str, Any]]:
        """Return the keys of the stages behind the set of `run.seed`, in order."""
        ...
