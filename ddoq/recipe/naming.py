"""Names of rows and columns: a component's name, and the settings that distinguish it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ddoq.recipe.component import Block, kind_of
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.settings import complete


def told_apart(kind: str, block: Block, blocks: Sequence[Block]) -> str:
    """Return a block's name, with the settings that distinguish it from others of that name.

    A nested component is named in the same way, without the settings that have their defaults.
    What is not set is not said.
    """
    same = [b for b in blocks if b["name"] == block["name"] and b != block]
    differing = {k: v for k, v in block.items() if any(b.get(k) != v for b in same)}
    told = {k: v for k, v in differing.items() if v is not None}
    inner = {k: kind_of(KINDS, kind, k) for k, v in told.items() if _is_block(v)}
    has_nested = any(inner.values())
    usual = complete(KINDS, kind, block["name"]) if has_nested else {}
    texts = {
        k: _name_of(of, v, [b.get(k) for b in same])
        if (of := inner.get(k))
        else _short(v, [b.get(k) for b in same])
        for k, v in told.items()
        if not usual or usual.get(k) != v
    }
    return _with(block["name"], texts)


def _is_block(value: Any) -> bool:
    return isinstance(value, dict) and "name" in value


def _short(value: Any, others: Sequence[Any] = ()) -> Any:
    """Return a value without its parts that hold only on this machine: the places of folders.

    A path is shortened to the shortest end that distinguishes it from the others.
    """
    if isinstance(value, dict):
        told = {k: _short(v) for k, v in value.items()}
        return _with(told.pop("name"), told) if _is_block(value) else told
    if isinstance(value, list):
        return [_short(v) for v in value]
    if not _is_place(value):
        return value
    parts = Path(value).parts[1:]
    rest = {tuple(Path(o).parts) for o in others if isinstance(o, str) and o != value}
    lengths = range(1, len(parts) + 1)
    known = [n for n in lengths if all(o[-n:] != parts[-n:] for o in rest)] or [len(parts)]
    return "/".join(parts[-known[0] :])


def _is_place(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_absolute() and len(Path(value).parts) > 1


def _name_of(kind: str, block: Block, others: Sequence[Any]) -> str:
    usual = complete(KINDS, kind, block["name"])
    changed = {k: _short(v) for k, v in block.items() if usual.get(k) != v}
    same = [b for b in others if _is_block(b) and b["name"] == block["name"]]
    return _with(block["name"], changed if same else {})


def _with(name: str, settings: dict[str, Any]) -> str:
    return f"{name}({', '.join(f'{k}={v}' for k, v in settings.items())})" if settings else name
