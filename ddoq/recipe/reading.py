"""Reading of recipes: `recipe=NAME [key=value ...]` becomes one checked recipe."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddoq.errors import UsageError
from ddoq.recipe import arguments
from ddoq.recipe.checks import refuse_missing
from ddoq.recipe.keywords import layer_of
from ddoq.recipe.layers import file_layers, name_of, names, parsed, refuse_code
from ddoq.recipe.merging import merge
from ddoq.recipe.schema import PLACES, Evaluation, Recipe, without_places

FLAGS = ("dry_run", "allow_code", "debug")
# Short forms of longer keys.
SHORT = {"student": "students", "protocol": "protocols"}


@dataclass
class Invocation:
    """A parsed command line: the recipe, and the options of the run."""

    recipe: Recipe
    digest: str
    dry_run: bool = False
    debug: bool = False


def read(
    argv: Sequence[str],
    *,
    must_be_complete: bool = True,
    short: Mapping[str, str] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Invocation:
    """Read `recipe=NAME key=value ...` into a checked recipe.

    Args:
        argv: The command line.
        must_be_complete: Whether all required settings must be given.
        short: Short forms of longer keys of a command.
        changes: Changes as Python keywords. They override the command line.
    """
    pairs = _pairs(argv, {**SHORT, **(short or {})})
    wanted = dict(pairs).get("recipe")
    if wanted is None:
        raise UsageError(
            "no recipe was given", f"add recipe=NAME, one of {', '.join(names())}, or a path"
        )
    flags = {k: arguments.flag(k, v) for k, v in pairs if k in FLAGS}
    overrides = [f"{k}={v}" for k, v in pairs if k != "recipe" and k not in FLAGS]
    layers = file_layers(wanted)
    refuse_code(layers, allowed=flags.pop("allow_code", False))
    name = next((layer["name"] for layer in layers if "name" in layer), None)
    layers = [*layers, *map(parsed, overrides)]
    name = name or name_of(wanted)
    recipe = merge(layers, name=name)
    if changes:
        layer = layer_of(recipe, changes, SHORT)
        recipe = merge([*layers, without_places(layer)], name=name)
        recipe = dataclasses.replace(recipe, **{k: layer[k] for k in PLACES if k in layer})
        overrides.append(json.dumps(without_places(layer), sort_keys=True, default=str))
    if must_be_complete:
        refuse_missing(recipe)
    telling = sorted(o for o in overrides if o.split("=")[0] not in PLACES)
    digest = hashlib.sha256("\n".join([wanted, *telling]).encode()).hexdigest()[:10]
    return Invocation(recipe, digest, **flags)


def _pairs(argv: Sequence[str], names_of: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the keys of a command line, in their long forms, with their values."""
    _refuse_slips(argv)
    return [(names_of.get(k, k), v) for k, v in map(arguments.pair, argv)]


def _refuse_slips(argv: Sequence[str]) -> None:
    """Refuse the name of a recipe alone, and two networks or protocols where a list is meant."""
    for argument in argv:
        is_file = Path(argument).suffix in (".yaml", ".yml")
        if "=" not in argument and (is_file or argument in names()):
            raise UsageError(f"{argument!r} is not key=value", f"write recipe={argument}")
    for key, plural in SHORT.items():
        values = [v for k, _, v in (a.partition("=") for a in argv) if k == key]
        if len(values) > 1 and not any(v.startswith(("[", "{")) for v in values):
            raise UsageError(
                f"{key}= is given {len(values)} times",
                f"give a list: '{plural}=[{', '.join(values)}]'",
            )


def change(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """Return a recipe with some blocks replaced, and check it again."""
    return merge([{**dataclasses.asdict(recipe), **changes}], name=recipe.name)


def from_plain(plain: dict[str, Any]) -> Recipe:
    """Return the recipe of the plain data that `dataclasses.asdict` returned."""
    fields: dict[str, Any] = {**plain, "evaluation": Evaluation(**plain["evaluation"])}
    return Recipe(**fields)
