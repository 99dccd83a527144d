"""Score sets that others made: in one table, beside random images of their sizes and all data.

python -m ddoq.score SET... [recipe=NAME] [protocols=[...]] [students=[...]] [seeds=N]
[normalized=...] [classes=...] [resize=true] [sets=[{path: SET, name: NAME, ...}]] [key=value ...]
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ddoq import command, recipe
from ddoq.errors import UsageError
from ddoq.recipe.component import Block
from ddoq.recipe.reading import parsed

_RECIPE = "digits"
_SHORT = {"seeds": "evaluation.seeds", "baselines": "evaluation.baselines"}
# Names that rows of the table have already.
_TAKEN = ("random", "full", "uniform")
_SAID = (
    *("normalized", "targets", "weights", "lr", "classes", "entry", "resize", "unusual"),
    "allow_test_images",
)


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
    for argument in of_sets:
        said |= parsed(argument)
    own: Any = said.pop("sets", [])
    listed = [{"path": p} for p in paths]
    for one in own if isinstance(own, list) else [own]:
        listed.append({"path": one} if isinstance(one, str) else one)
    return [{**said, **one} for one in listed], [a for _, a in pairs if a not in of_sets]


def blocks_of(sets: Sequence[dict[str, Any]]) -> list[Block]:
    """Return sets as blocks of distillers, each with the size that its files have."""
    from ddoq.formats.reading import name_of, read
    from ddoq.formats.told import Told
    from ddoq.size import Size

    if not sets:
        raise UsageError("no set was given", "python -m ddoq.score SET... [recipe=NAME]")
    blocks: list[Block] = []
    for one in sets:
        said = dict(one)
        path, name = said.pop("path", None), said.pop("name", "")
        if not isinstance(path, str):
            raise UsageError(f"sets: {one} has no path", "give {path: FILE, ...}")
        found = read(Path(path), Told.of(said))
        size = Size.of(found.provenance)
        numbers = size.settings if size.is_budget else {"images_per_class": found.images_per_class}
        known = {k: v for k, v in numbers.items() if v is not None}
        title = str(name or name_of(Path(path)))
        blocks.append({"name": "given", "path": path, "title": title, **known, **said})
    _refuse_names([block["title"] for block in blocks])
    return blocks


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

    from ddoq.experiment import experiment

    experiment(invocation)


if __name__ == "__main__":
    command.run(main)
