"""Merging of layers: schema < base < recipe < command line, later ones override earlier ones.

Components are blocks `{name: ..., settings}`. If a layer names another component, its block starts
empty.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ddoq.errors import UsageError
from ddoq.recipe.checks import as_block, checked
from ddoq.recipe.component import Block
from ddoq.recipe.kinds import KINDS, PLURAL, SINGLE
from ddoq.recipe.layers import names
from ddoq.recipe.meant import meant
from ddoq.recipe.ranges import refuse_unusable
from ddoq.recipe.schema import Recipe
from ddoq.recipe.settings import complete


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
