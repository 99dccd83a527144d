"""Changes of a recipe as Python keywords: `images_per_class=2, student=MyNet, seeds=5`."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ddoq.errors import UsageError
from ddoq.recipe.component import Block
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.schema import Evaluation, Recipe
from ddoq.recipe.signature import nearest, signature


def layer_of(recipe: Recipe, changes: Mapping[str, Any], short: Mapping[str, str]) -> Block:
    """Convert keywords to a layer of a recipe.

    A keyword is a key of the recipe, a key of `evaluation`, or a setting of the recipe's distiller
    (or of one that the keywords name). Classes and functions become their `module:Name`.
    """
    named = {short.get(k, k): _plain(k, v) for k, v in changes.items()}
    layer: Block = {k: named.pop(k) for k in list(named) if k in _fields(Recipe)}
    asked = layer.get("distiller", recipe.distiller)
    name = asked if isinstance(asked, str) else asked["name"]
    settings = signature(KINDS["distiller"].target("distiller", name)).parameters
    for key, value in named.items():
        # `images_per_class` is a number for the distiller, or a list for the whole table.
        if key in settings and not (isinstance(value, list) and key in _fields(Evaluation)):
            block: Any = layer.get("distiller", name)
            layer["distiller"] = {**({"name": block} if isinstance(block, str) else block)}
            layer["distiller"] |= {key: value}
        elif key in _fields(Evaluation):
            layer["evaluation"] = {**layer.get("evaluation", {}), key: value}
        else:
            known = [*_fields(Recipe), *_fields(Evaluation), *settings, *short]
            raise UsageError(
                f"there is no {key!r}{nearest(key, known)}",
                f"change a key of the recipe, of evaluation, or a setting of {name}: "
                f"{', '.join(dict.fromkeys(known))}",
            )
    return layer


def _fields(schema: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(schema)]


def _plain(key: str, value: Any) -> Any:
    """Return a value in the form that a recipe holds."""
    if isinstance(value, Mapping):
        return {str(k): _plain(key, v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(key, v) for v in value]
    if not callable(value):
        return value
    module, name = getattr(value, "__module__", "__main__"), getattr(value, "__qualname__", "")
    if module == "__main__" or not name.isidentifier():
        raise UsageError(
            f"{key}: {value!r} cannot be imported by another process",
            "give a class or function at the top level of a separate file, such as mynets.py",
        )
    return f"{module}:{name}"
