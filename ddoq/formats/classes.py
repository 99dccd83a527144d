"""Which class of a set is which class of the data: by ids, by names, or by order, never a guess."""

from collections.abc import Sequence
from dataclasses import replace

from ddoq.errors import DataError
from ddoq.synthetic import SyntheticSet

_QUESTION = "say what they have in common: classes=ids, classes=names or classes=order"


def mapped(
    synthetic: SyntheticSet,
    class_ids: Sequence[str],
    class_names: Sequence[str],
    how: str | None = None,
) -> tuple[SyntheticSet, str]:
    """Return the set with the data's classes, in their order, and what they were found by."""
    if synthetic.num_classes != len(class_ids):
        raise DataError(
            f"the set has {synthetic.num_classes} classes, the data have {len(class_ids)}",
            "score it on data of the same classes",
        )
    found = {"ids": _places(synthetic.class_ids, class_ids)}
    found["names"] = _places(synthetic.class_names, class_names)
    found["order"] = list(range(len(class_ids)))
    if how is not None and found[how] is None:
        raise DataError(f"classes={how}: {_strange(synthetic, class_ids, class_names)}", _QUESTION)
    chosen = how or _unambiguous(synthetic, found, class_ids, class_names)
    places = found[chosen]
    assert places is not None
    renamed = replace(
        synthetic,
        class_ids=tuple(class_ids[p] for p in places),
        class_names=tuple(class_names[p] for p in places),
    )
    return renamed.for_classes(tuple(class_ids)), chosen


def _places(own: Sequence[str], others: Sequence[str]) -> list[int] | None:
    """Return the place of each of our classes among the others, if all are there once."""
    if len(set(own)) < len(own) or set(own) != set(others):
        return None
    return [others.index(name) for name in own]


def _unambiguous(
    synthetic: SyntheticSet,
    found: dict[str, list[int] | None],
    class_ids: Sequence[str],
    class_names: Sequence[str],
) -> str:
    fitting = [how for how in ("ids", "names") if found[how] is not None]
    if len(fitting) == 2 and found["ids"] != found["names"]:
        raise DataError("the set's ids say other classes than its names", _QUESTION)
    if fitting:
        return fitting[0]
    if synthetic.class_ids == tuple(map(str, range(synthetic.num_classes))):
        # The files only number the classes, so there is nothing else to go by.
        return "order"
    raise DataError(_strange(synthetic, class_ids, class_names), _QUESTION)


def _strange(synthetic: SyntheticSet, class_ids: Sequence[str], class_names: Sequence[str]) -> str:
    own = [n for n in synthetic.class_ids if n not in (*class_ids, *class_names)]
    others = [n for n in class_names if n not in (*synthetic.class_ids, *synthetic.class_names)]
    return (
        f"the set's classes are not those of the data: {', '.join(own[:4]) or 'all known'} on its "
        f"side, {', '.join(others[:4]) or 'all known'} on the other"
    )
