"""The number of images of each class, from a number per class or from a total."""

from collections.abc import Sequence

from ddoq.errors import UsageError


def numbers(sizes: Sequence[int], *, images_per_class: int, budget: int | None) -> list[int]:
    """Return how many images each class gives, which is at most as many as it has.

    >>> numbers([9, 2, 9], images_per_class=3, budget=None)
    [3, 2, 3]
    """
    if images_per_class < 1:
        raise UsageError(f"distiller.images_per_class={images_per_class}", "at least 1")
    if budget is None:
        return [min(images_per_class, size) for size in sizes]
    if budget < 1:
        raise UsageError(f"distiller.budget={budget}", "at least 1 image")
    return spread(budget, sizes)


def spread(budget: int, sizes: Sequence[int]) -> list[int]:
    """Spread a total evenly; the first classes get one image more if it does not divide.

    Images that small classes cannot give are taken from the others.

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
