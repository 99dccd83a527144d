"""The steps of a training: a loader of them that can resume anywhere, and a choice of some."""

from collections.abc import Callable, Iterator
from typing import Any


def evenly(steps: int, times: int) -> set[int]:
    """Return so many of a training's steps, evenly, the last one included.

    >>> sorted(evenly(10, 4))
    [2, 5, 8, 10]
    """
    return {round(steps * (i + 1) / times) for i in range(times)}


class Steps:
    """Some steps. `state_dict` holds how many were handed out, as Lightning asks of loaders."""

    def __init__(self, batch: Callable[[int], Any], number: int) -> None:
        self._batch, self._number = batch, number
        self._first = self._next = 0

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[Any]:
        first, self._first = self._first, 0
        for step in range(first, self._number):
            self._next = step + 1
            yield self._batch(step)

    def state_dict(self) -> dict[str, int]:
        """Return the step that comes next."""
        return {"next": self._next}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin at the saved next step."""
        self._first = self._next = state["next"]
