"""Score sets that others made: in one table, beside random images of their sizes and all data.

python -m ddoq.score SET... [recipe=NAME] [protocols=[...]] [students=[...]] [seeds=N]
[normalized=...] [classes=...] [resize=true] [sets=[{path: SET, name: NAME, ...}]] [key=value ...]
"""

import difflib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddoq import command, recipe
from ddoq.errors import UsageError
from ddoq.recipe.component import Block
from ddoq.recipe.layers import parsed
from ddoq.recipe.reading import FLAGS, SHORT
from ddoq.recipe.roots import refuse_absent_root
from ddoq.recipe.signature import signature
from ddoq.size import Size

if TYPE_CHECKING:
    from ddoq.synthetic import SyntheticSet

_RECIPE = "digits"
_SHORT = {"seeds": "evaluation.seeds", "baselines": "evaluation.baselines"}
# Names that rows of the table have already.
_TAKEN = ("random", "full", "uniform")
_SAID = (
    *("normalized", "targets", "weights", "lr", "classes", "first_label", "entry"),
    *("resize", "unusual", "allow_test_images"),
)
# Other words for them.
_WORDS = {
    **dict.fromkeys(("normalization", "mean", "std", "zca"), "normalized"),
    **dict.fromkeys(("soft_labels", "soft", "labels"), "targets"),
    **dict.fromkeys(("learning_rate", "rate"), "lr"),
    **dict.fromkeys(("class_names", "class_ids", "order"), "classes"),
    **dict.fromkeys(("index", "number"), "entry"),
    **dict.fromkeys(("size", "rescale"), "resize"),
    **dict.fromkeys(("test_images", "allow_copies"), "allow_test_images"),
}


def split(argv: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the sets with what is said of each, and the rest of the command line.

    A setting of a set counts for all sets that do not have it themselves.

    >>> split(["a.pt", "normalized=[-1,1]", "recipe=digits", "sets=[{path: b, name: B}]"])
    ([{'normalized': [-1, 1], 'path': 'a.pt'}, {'normalized': [-1, 1], 'path': 'b', 'name': 'B'}],
    ['recipe=digits'])
    """
    paths = [a for a in argv if "=" not in a or Path(a).expanduser().exists()]
    pairs = [(a.partition("=")[0], a) for a in argv if a not in paths]
    of_sets = [a for key, a in pairs if key in (*_SAID, "sets")]
    said: dict[str, Any] = {}
    listed = [{"path": p} for p in paths]
    for argument in of_sets:
        said |= parsed(argument)
        own: Any = said.pop("sets", [])
        listed += [_of_path(one) for one in (own if isinstance(own, list) else [own])]
    return [{**said, **one} for one in listed], [a for _, a in pairs if a not in of_sets]


def _refuse_misspelled(rest: Sequence[str]) -> None:
    """Refuse a key that no recipe has and that is like one of the settings of a set."""
    fields = signature("ddoq.recipe.schema:Recipe").parameters
    known = ["recipe", *fields, *_SHORT, *FLAGS, *SHORT]
    for key in [a.partition("=")[0] for a in rest]:
        if key in known or "." in key:
            continue
        near = difflib.get_close_matches(key, [*_SAID, *known], n=1)
        meant = _WORDS.get(key, near[0] if near else "")
        if meant in _SAID:
            raise UsageError(
                f"there is no key {key!r} (did you mean '{meant}=...'?)",
                f"a set has {', '.join(_SAID)}",
            )


def _of_path(one: Any) -> dict[str, Any]:
    """Return a set of `sets=` with what is said of it."""
    if isinstance(one, str):
        return {"path": one}
    if not isinstance(one, dict):
        raise UsageError(f"sets: {one!r} is no set", "give a path, or {path: FILE, ...}")
    return {**one}


def blocks_of(sets: Sequence[dict[str, Any]]) -> list[Block]:
    """Return sets as blocks of distillers, each with the size that its files have."""
    from ddoq.formats.reading import name_of, read
    from ddoq.formats.told import Told

    if not sets:
        raise UsageError("no set was given", "python -m ddoq.score SET... [recipe=NAME]")
    blocks: list[Block] = []
    for one in sets:
        said = dict(one)
        path, name = said.pop("path", None), said.pop("name", "")
        if not isinstance(path, str):
            raise UsageError(f"sets: {one} has no path", "give {path: FILE, ...}")
        found = read(Path(path), Told.of(said))
        title = str(name or name_of(Path(path)))
        # All settings, so that none is taken from another set in the recipe.
        block = {"name": "given", "path": path, "title": title, **asdict(Told()), **said}
        blocks.append(block | _size_of(found).settings)
    _refuse_names([block["title"] for block in blocks])
    return blocks


def _size_of(found: "SyntheticSet") -> Size:
    """Return a set's size: a number of images for all classes, if they have not equally many."""
    counts = found.labels.bincount()
    is_even = bool((counts == counts[0]).all())
    return Size(int(counts.max()), None if is_even else len(found))


def _refuse_names(names: list[str]) -> None:
    twice = [n for n in names if names.count(n) > 1 or n in _TAKEN]
    if twice:
        raise UsageError(
            f"a row of the table is called {twice[0]!r} already",
            "give the set another name: 'sets=[{path: ..., name: ...}]', which is none of "
            f"{', '.join(_TAKEN)}",
        )


def read(argv: Sequence[str]) -> recipe.Invocation:
    """Read a command line into a recipe whose methods are the sets."""
    sets, rest = split(argv)
    _refuse_misspelled(rest)
    if not any(a.startswith("recipe=") for a in rest):
        rest = [f"recipe={_RECIPE}", *rest]
    lead, *others = blocks_of(sets)
    changes: dict[str, Any] = {"distiller": lead, "distillers": others}
    alone = ("images_per_class", "decoders", "weightings")
    return recipe.read(
        rest, short=_SHORT, changes={**changes, **{key: list[Any]() for key in alone}}
    )


def main(argv: list[str]) -> None:
    """Read the sets and the recipe, and run."""
    invocation = read(argv)
    refuse_absent_root(invocation.recipe)

    from ddoq.experiment import experiment

    experiment(invocation)


if __name__ == "__main__":
    command.run(main)
