"""What an unknown key of a command line was probably meant to be."""

import dataclasses
import difflib
import json
from collections.abc import Collection, Mapping
from typing import Any

from ddoq.protocols.protocol import Protocol
from ddoq.recipe.component import Block
from ddoq.recipe.kinds import KINDS, PLURAL, SINGLE
from ddoq.recipe.schema import Evaluation
from ddoq.recipe.signature import nearest, signature

# Words of other programs, and of the field, for keys of a recipe.
_WORDS = {
    "ipc": "distiller.images_per_class",
    "device": "trainer.accelerator",
    "gpu": "trainer.accelerator",
    "gpus": "trainer.devices",
    "devices": "trainer.devices",
    "num_seeds": "evaluation.seeds",
    "dataset": "data",
    "root": "data.root",
    "model": "student",
    "models": "students",
    "network": "student",
    "output": "out",
    "iterations": "protocol.steps",
    "learning_rate": "protocol.lr",
}


def meant(key: str, recipe: Any, known: Collection[str]) -> str:
    """Return a hint at the key that was meant: ` (did you mean 'evaluation.seeds=...'?)`, or none.

    Args:
        key: The unknown key, with what was before its `=`.
        recipe: A mapping of the recipe's blocks, as merged so far.
        known: The keys that a recipe has.
    """
    head, _, setting = key.partition(".")
    if setting and head in PLURAL.values():
        return _said([key], recipe)
    if key in _WORDS:
        return _said([_WORDS[key]], recipe)
    close = difflib.get_close_matches(head, [*known, *PLURAL.values()], n=1)
    if setting and close:
        return _said([f"{close[0]}.{setting}"], recipe)
    return _said(_within(key, recipe), recipe) or nearest(key, known)


def _within(key: str, recipe: Any) -> list[str]:
    """Return the longer keys that end in `key`: in evaluation, in a block, or in a protocol."""
    found = [f"evaluation.{key}"] if key in _fields(Evaluation) else []
    for kind in SINGLE:
        block: Block = recipe.get(kind) or {}
        if block.get("name") and key in _settings(kind, block["name"]):
            # A number of images is the distiller's; a list of numbers is the table's.
            found.insert(0, f"{kind}.{key}")
    return found or ([f"protocol.{key}"] if key in _fields(Protocol) else [])


def _said(keys: list[str], recipe: Any) -> str:
    spelled = [_spelled(key, recipe) for key in keys[:2]]
    return f" (did you mean {' or '.join(spelled)}?)" if spelled else ""


def _spelled(key: str, recipe: Any) -> str:
    """Return a key as it is written. Settings of one of a list's blocks need the whole list."""
    head, _, setting = key.partition(".")
    plural = head if head in PLURAL else f"{head}s"
    if plural not in PLURAL or not setting:
        return f"'{key}=...'"
    first, *others = [_settled(block) for block in recipe.get(plural) or ["NAME"]]
    own = {k: v for k, v in first.items() if k != setting}
    # A bare name keeps the settings that the recipe has for it.
    names = [block["name"] for block in others]
    kept = others if len({first["name"], *names}) <= len(names) else names
    return f"'{plural}=[{', '.join(_flow(one) for one in [{**own, setting: ...}, *kept])}]'"


def _settled(block: Any) -> Block:
    return {"name": block} if isinstance(block, str) else dict(block)


def _flow(value: Any) -> str:
    """Return a value as YAML has it on one line."""
    if value is ...:
        return "..."
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k}: {_flow(v)}' for k, v in value.items())}}}"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _settings(kind: str, name: str) -> list[str]:
    return list(signature(KINDS[kind].target(kind, name)).parameters)


def _fields(schema: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(schema)]
