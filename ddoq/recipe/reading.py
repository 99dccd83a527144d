"""Reading of recipes: layers of files and of the command line are merged and checked.

`recipe=NAME [key=value ...]` is merged as schema < base < recipe < command line. Components are
blocks `{name: ..., settings}`. If a layer names another component, its block starts empty.
"""

import dataclasses
import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ddoq.errors import UsageError
from ddoq.recipe import arguments, shipped
from ddoq.recipe.checks import as_block, checked, refuse_missing
from ddoq.recipe.component import Block, complete, is_code
from ddoq.recipe.keywords import layer_of
from ddoq.recipe.kinds import KINDS, PLURAL, SINGLE
from ddoq.recipe.meant import meant
from ddoq.recipe.ranges import refuse_unusable
from ddoq.recipe.schema import PLACES, Evaluation, Recipe, without_places
from ddoq.recipe.signature import nearest

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


def names() -> dict[str, str]:
    """Return every shipped recipe with the first line of its header."""
    root = shipped.recipes()
    files = sorted(root.rglob("*.yaml"))
    return {str(f.relative_to(root).with_suffix("")): _headline(f) for f in files}


def _headline(file: Path) -> str:
    first = file.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.removeprefix("#").strip()


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
    layers = _file_layers(wanted)
    _refuse_code(layers, allowed=flags.pop("allow_code", False))
    name = next((layer["name"] for layer in layers if "name" in layer), None)
    layers = [*layers, *map(parsed, overrides)]
    name = name or _name_of(wanted)
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


def _name_of(wanted: str) -> str:
    path = Path(wanted)
    return path.stem if path.suffix in (".yaml", ".yml") else wanted


def _file_layers(wanted: str, seen: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Return the layers of a recipe file, its bases first."""
    if wanted in seen:
        raise UsageError(f"recipe {wanted} is its own base", f"break the ring {seen}")
    is_path = Path(wanted).suffix in (".yaml", ".yml")
    file = Path(wanted).expanduser() if is_path else shipped.recipes() / f"{wanted}.yaml"
    if not file.is_file() or not (is_path or wanted in names()):
        raise UsageError(
            f"there is no file {wanted}" + (" in this folder" if file.parent == Path() else "")
            if is_path
            else f"there is no recipe {wanted!r}{nearest(wanted, names())}",
            f"use one of {', '.join(names())}, or the path of a .yaml file",
        )
    try:
        layer = _plain(OmegaConf.load(file), str(file))
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} is not plain YAML: {str(error).splitlines()[0]}", "fix the file"
        ) from error
    except RecursionError:
        raise UsageError(f"{file} is nested too deep", "a recipe is a few blocks deep") from None
    base = layer.pop("base", None)
    if without_places(layer) != layer:
        warnings.warn(
            f"{file}: places of files ({', '.join(PLACES)}, trainer.default_root_dir) are set only "
            "on the command line; those in the file are ignored",
            stacklevel=2,
        )
        layer = without_places(layer)
    return [*(_file_layers(str(base), (*seen, wanted)) if base else []), layer]


def parsed(override: str) -> dict[str, Any]:
    """Read one `key=value` as a layer of a recipe."""
    try:
        return _plain(OmegaConf.from_dotlist([override]), override)
    except (YAMLError, OmegaConfBaseException) as error:
        raise UsageError(
            f"{override!r} cannot be read: {str(error).splitlines()[0]}", "quote the value"
        ) from error
    except RecursionError:
        raise UsageError(
            f"{override[:40]}... is nested too deep", "a recipe is a few blocks deep"
        ) from None


def _plain(config: Any, source: str) -> dict[str, Any]:
    layer = OmegaConf.to_container(config, resolve=False)
    if not isinstance(layer, dict):
        raise UsageError(f"{source} is not a mapping", "a recipe is made of key: value")
    if "${" in json.dumps(layer, default=str):
        raise UsageError(f"{source} contains ${{...}}", "recipes are data: write the value itself")
    return {str(k): v for k, v in layer.items()}


def _refuse_code(layers: list[dict[str, Any]], *, allowed: bool) -> None:
    """Refuse a user's own code named in a file, unless the command line allows it."""
    for name in [n for layer in layers for n in _component_names(layer)]:
        if ":" in name and not allowed:
            raise UsageError(
                f"the recipe file names code to run: {name}",
                "if you trust it, add allow_code=true on the command line",
            )


def _component_names(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["name"]] if isinstance(value.get("name"), str) else []
        return own + [n for v in value.values() for n in _component_names(v)]
    if isinstance(value, list):
        return [n for v in value for n in _component_names(v)]
    # A bare string may name a component too.
    return [value] if isinstance(value, str) and is_code(value) else []


def change(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """Return a recipe with some blocks replaced, and check it again."""
    return merge([{**dataclasses.asdict(recipe), **changes}], name=recipe.name)


def from_plain(plain: dict[str, Any]) -> Recipe:
    """Return the recipe of the plain data that `dataclasses.asdict` returned."""
    fields: dict[str, Any] = {**plain, "evaluation": Evaluation(**plain["evaluation"])}
    return Recipe(**fields)


def merge(layers: Sequence[dict[str, Any]], *, name: str) -> Recipe:
    """Merge layers of a recipe, where later ones override earlier ones, and check the result."""
    merged = OmegaConf.structured(Recipe(name=name))
    for layer in layers:
        merged = _merged(merged, layer)
    recipe = OmegaConf.to_object(merged)
    assert isinstance(recipe, Recipe)
    _refuse_name(recipe.name)
    return checked(recipe)


def _refuse_name(name: str) -> None:
    """Refuse a name that would lead out of the folder of runs."""
    is_plain = name.isprintable() and not {"/", "\\"} & set(name) and name.strip(". ") != ""
    if not is_plain and name not in names():
        raise UsageError(
            f"name={name!r} is not a plain name", "give one without slashes, such as my_run"
        )


def _merged(merged: DictConfig, layer: dict[str, Any]) -> DictConfig:
    known = [f.name for f in dataclasses.fields(Recipe)]
    for key in layer:
        if key not in known:
            raise UsageError(
                f"there is no key {key!r}{meant(_dotted(key, layer[key]), merged, known)}",
                f"a recipe has {', '.join(known)}",
            )
        refuse_unusable(key, layer[key])
    layer = {k: _normal(k, v, merged.get(k)) for k, v in layer.items()}
    for key in {*SINGLE, "pretrain"} & layer.keys():
        _start_afresh(merged, key, layer[key])
    try:
        return OmegaConf.merge(merged, layer)  # type: ignore[return-value] # two mappings give one
    except (OmegaConfBaseException, TypeError) as error:
        key = getattr(error, "full_key", None) or ", ".join(layer)
        if "converted to Integer" in str(error):
            said = str(error).split("'")[1]
            raise UsageError(
                f"{key}: {said} is no whole number", f"give a whole number: {key}=2"
            ) from error
        raise UsageError(
            f"{key}: {str(error).splitlines()[0]}", "see docs/recipes.md for the schema"
        ) from error


def _dotted(key: str, value: Any) -> str:
    """Return an unknown key with the setting that was given to it, as in `protocol.steps`."""
    return f"{key}.{next(iter(value))}" if isinstance(value, dict) and len(value) == 1 else key


def _start_afresh(merged: DictConfig, key: str, block: Any) -> None:
    """Drop a block's settings if a layer names another component, also in nested blocks."""
    if not isinstance(block, dict) or not isinstance(merged.get(key), DictConfig):
        return
    if "name" in block and block["name"] != merged[key].get("name"):
        merged[key] = {}
    for inner, value in block.items():
        _start_afresh(merged[key], inner, value)


def _normal(key: str, value: Any, before: Any) -> Any:
    """Convert the short forms of a block to the long form.

    In a list, a bare name keeps the settings that the list had for it `before`.
    """
    if key in SINGLE:
        return as_block(key, value, key)
    if key == "pretrain" and isinstance(value, dict):
        return {k: as_block(f"pretrain.{k}", v, "pretrain") for k, v in value.items()}
    if key in PLURAL and isinstance(value, dict) and "name" not in value:
        raise UsageError(
            f"{key}: {value} names no component",
            f"give the whole list: '{key}=[{{name: NAME, ...}}]'",
        )
    if key in PLURAL:
        listed = value if isinstance(value, list) else [value]
        blocks = [as_block(key, v, PLURAL[key]) for v in listed]
        for block in blocks:
            if "name" not in block:
                # Later layers look blocks up by their names.
                complete(KINDS, PLURAL[key], block, place=key)
        return [_as_before(b, v, before or []) for b, v in zip(blocks, listed, strict=True)]
    return value


def _as_before(block: Block, value: Any, before: Any) -> Block:
    same = [dict(b) for b in before if not isinstance(b, str) and b["name"] == value]
    return same[0] if len(same) == 1 else block
