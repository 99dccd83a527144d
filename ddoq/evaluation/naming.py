"""What is a row or a column called? Its component's name, and what sets it apart from others."""

from collections.abc import Sequence
from typing import Any

from ddoq.component import Block, complete
from ddoq.kinds import KINDS


def told_apart(kind: str, block: Block, blocks: Sequence[Block]) -> str:
    """Return a block's name, with the settings that set it apart from others of the same name.

    A component within the component is named in the same way; what is left at its default there
    is not said.
    """
    same = [b for b in blocks if b["name"] == block["name"] and b != block]
    told = {k: v for k, v in block.items() if any(b.get(k) != v for b in same)}
    usual = complete(KINDS, kind, block["name"]) if any(map(_is_nested, told.values())) else {}
    texts = {
        k: _name_of(k, v, [b.get(k) for b in same]) if _is_nested(v) else v
        for k, v in told.items()
        if not usual or usual.get(k) != v
    }
    return _with(block["name"], texts)


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict) and "name" in value


def _name_of(kind: str, block: Block, others: Sequence[Any]) -> str:
    usual = complete(KINDS, kind, block["name"])
    changed = {k: v for k, v in block.items() if usual.get(k) != v}
    same = [b for b in others if _is_nested(b) and b["name"] == block["name"]]
    return _with(block["name"], changed if same else {})


def _with(name: str, settings: dict[str, Any]) -> str:
    return f"{name}({', '.join(f'{k}={v}' for k, v in settings.items())})" if settings else name
