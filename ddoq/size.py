"""The size of a set: a number of images per class, or a budget for all classes together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ddoq.errors import UsageError

SETTINGS = ("images_per_class", "budget")


@dataclass(frozen=True)
class Size:
    """The number of images of a set. A budget overrides `images_per_class`; both may be missing.

    >>> Size(3).numbers([9, 2, 9]), Size(budget=10).numbers([9, 2, 9])
    ([3, 2, 3], [4, 2, 4])
    """

    images_per_class: int | None = None
    budget: int | None = None

    def __post_init__(self) -> None:
        for name, number in self.settings.items():
            if number is not None and number < 1:
                raise UsageError(f"distiller.{name}={number}", f"{name} is at least 1 image")

    @classmethod
    def of(cls, block: Mapping[str, Any]) -> "Size":
        """Return the size that a distiller's block asks for."""
        return cls(**{name: block.get(name) for name in SETTINGS})

    @property
    def settings(self) -> dict[str, int | None]:
        """The size as settings of a distiller's block."""
        return {"images_per_class": self.images_per_class, "budget": self.budget}

    @property
    def key(self) -> dict[str, int | None]:
        """The effective settings, as plain data."""
        return {**self.settings, "images_per_class": self.per_class}

    @property
    def is_budget(self) -> bool:
        """Whether a total is spread over the classes."""
        return self.budget is not None

    @property
    def is_known(self) -> bool:
        """Whether a size is given."""
        return self.is_budget or self.images_per_class is not None

    @property
    def per_class(self) -> int | None:
        """The images of each class; None if a budget is spread."""
        return None if self.is_budget else self.images_per_class

    def mean(self, num_classes: int) -> int:
        """Return the images per class. For a budget this is the mean, rounded up."""
        if self.budget is not None:
            return -(-self.budget // num_classes)
        return self.images_per_class or 0

    def total(self, num_classes: int) -> int:
        """Return the number of images of all classes."""
        return (self.images_per_class or 0) * num_classes if self.budget is None else self.budget

    def numbers(self, sizes: Sequence[int]) -> list[int]:
        """Return the number of images of each class, at most as many as it has."""
        if self.budget is not None:
            return spread(self.budget, sizes)
        return [min(self.images_per_class or 0, size) for size in sizes]

    def shown(self, held: int, largest: int) -> int:
        """Return the images per class that a row states, for a set whose largest class has `held`.

        If classes have fewer images than the size asks for, the row still states that size, but at
        most the number of real images in the largest class.
        """
        asked = self.per_class
        return held if asked is None else max(min(asked, largest), held)


def spread(budget: int, sizes: Sequence[int]) -> list[int]:
    """Spread a total evenly. The first classes get one more image each of the remainder.

    Images that small classes lack are taken from the others.

    >>> spread(10, [9, 2, 9])
    [4, 2, 4]
    """
    found, left = [0] * len(sizes), min(budget, sum(sizes))
    while left:
        open_classes = [c for c, n in enumerate(sizes) if found[c] < n]
        share = max(1, left // len(open_classes))
        for c in open_classes:
            more = min(share, sizes[c] - found[c], left)
            found[c] += more
            left -= more
    return found


def without_size(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a distiller's block without the settings of its size."""
    return {name: value for name, value in block.items() if name not in SETTINGS}
