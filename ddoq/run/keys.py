"""The key of a component: its settings, weights and plugged-in source, as plain data."""

from collections.abc import Callable
from typing import Any

from ddoq.files.artifacts import sha256, versions
from ddoq.recipe.component import Block, kind_of
from ddoq.recipe.kinds import KINDS, LIBRARIES
from ddoq.recipe.signature import local_sources


def component_key(
    kind: str, block: Block, weights_key: Callable[[str, Block], Any]
) -> dict[str, Any]:
    """Return the key of a block and of the blocks within it.

    Args:
        kind: The kind of the component.
        block: The completed block.
        weights_key: A function that returns the key of the weights of a block with a `source`.
    """
    key: dict[str, Any] = {k: v for k, v in block.items() if k != "source"}
    if ":" in block["name"]:
        files = local_sources(block["name"].split(":")[0])
        key["code"] = [sha256(f) for f in files]
    if "source" in block:
        key["weights"] = weights_key(kind, block)
    if (kind, block["name"]) in LIBRARIES:
        key["versions"] = versions(*LIBRARIES[kind, block["name"]])
    for name, value in block.items():
        inner = kind_of(KINDS, kind, name)
        if inner and isinstance(value, dict):
            key[name] = component_key(inner, value, weights_key)
        elif inner and isinstance(value, list):
            key[name] = [component_key(inner, member, weights_key) for member in value]
    return key
