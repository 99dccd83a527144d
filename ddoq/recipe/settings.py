"""The check of a component's settings against its signature, and the defaults of the others."""

from collections.abc import Mapping
from typing import Any

from ddoq.errors import UsageError
from ddoq.recipe.component import ROLES, SEVERAL, Block, Kind, is_code, kind_of
from ddoq.recipe.ranges import range_of, refuse_outside
from ddoq.recipe.signature import Signature, accepts, defaults, in_words, nearest, signature

# How deep components of one role may be nested.
_DEEPEST = {"start": 1, "base": 2}


def complete(
    kinds: Mapping[str, Kind],
    kind: str,
    block: Any,
    *,
    place: str | None = None,
    roles: tuple[str, ...] = (),
) -> Block:
    """Check a block against its component's signature and fill in the defaults."""
    place = place or kind
    if not isinstance(block, str | dict):
        raise UsageError(
            f"{place}: {block!r} is not a component", "give its name, or {name: NAME, ...}"
        )
    block = {"name": block} if isinstance(block, str) else dict(block)
    name = block.pop("name", None)
    if not isinstance(name, str):
        glued = next((k for k in block if str(k).startswith("name:")), None)
        raise UsageError(
            f"{place}: the block has no name",
            f"add one of {', '.join(kinds[kind].table)}"
            if glued is None
            else f"write a space after the colon: {{name: {glued.removeprefix('name:')}}}",
        )
    target = kinds[kind].target(place, name)
    settable = signature(target)
    for supplied in _supplied(kinds, kind, roles):
        settable.parameters.pop(supplied, None)
    checked = check_settings(
        kinds, settable, block, place=place, target=target, kind=kind, roles=roles
    )
    usual = {} if kinds[kind].presets else {**defaults(settable), **kinds[kind].usual.get(name, {})}
    return {"name": name, **usual, **checked}


def _supplied(kinds: Mapping[str, Kind], kind: str, roles: tuple[str, ...]) -> list[str]:
    """Return what a block may not set.

    A distiller within another one is no row, and may have the components that a row supplies.
    """
    is_within = bool(roles) and kind in ROLES.values()
    return [name for name in kinds[kind].supplies if not (is_within and name in kinds)]


def check_settings(
    kinds: Mapping[str, Kind],
    settable: Signature,
    block: Block,
    *,
    place: str,
    target: str,
    kind: str = "",
    roles: tuple[str, ...] = (),
) -> Block:
    """Refuse unknown keys, wrong types and missing settings, and complete nested blocks."""
    for key, value in block.items():
        is_block = key not in SEVERAL and kind_of(kinds, kind, key) is not None
        takers = _takers(kinds, kind, key, roles) if key not in settable.parameters else ""
        _refuse_setting(
            settable, key, value, is_block=is_block, place=place, target=target, takers=takers
        )
    known = defaults(settable)
    nested = {
        key: (inner, value)
        for key, value in {**known, **block}.items()
        if (inner := kind_of(kinds, kind, key)) and (value, known.get(key)) != (None, None)
    }
    done: Block = {}
    for key, (inner, value) in nested.items():
        at = f"{place}.{key}"
        if key in SEVERAL:
            done[key] = [complete(kinds, inner, b, place=at, roles=roles) for b in value]
        else:
            within = _within(place, roles, key)
            one = _named(value, known.get(key))
            done[key] = complete(kinds, inner, one, place=at, roles=within)
    return {**block, **done}


def _takers(kinds: Mapping[str, Kind], kind: str, key: str, roles: tuple[str, ...]) -> str:
    """Say which components of a kind take a setting that another one does not take."""
    if kind in kinds and key in kinds and key in _supplied(kinds, kind, roles):
        return f"; give it beside the {kind}: {key}=..."
    table = kinds[kind].table if kind in kinds else {}
    own = {n: signature(place) for n, place in table.items() if not n.endswith("/*")}
    names = [n for n, settable in own.items() if key in settable.parameters]
    return f"; {key} is a setting of {', '.join(names)}" if names else ""


def _refuse_setting(
    settable: Signature,
    key: str,
    value: Any,
    *,
    is_block: bool,
    place: str,
    target: str,
    takers: str = "",
) -> None:
    """Refuse a setting that a component does not take, or a value of a wrong type or range."""
    if key in settable.parameters:
        annotation = settable.parameters[key][0]
        if not is_block and not accepts(annotation, value):
            raise UsageError(
                f"{place}.{key}: {value!r} is not {in_words(annotation)}",
                f"give {key} such a value",
            )
        if not is_code(target) or target.startswith("ddoq."):
            refuse_outside(f"{place}.{key}", value, range_of(target, key))
    elif not settable.is_open:
        raise UsageError(
            f"{place}: {target} takes no {key!r}{nearest(key, settable.parameters)}",
            f"it takes {', '.join(settable.parameters) or 'no settings'}{takers}",
        )


def _within(place: str, roles: tuple[str, ...], role: str) -> tuple[str, ...]:
    """Return the roles that lead to a nested component, and refuse too deep a nesting."""
    if role not in ROLES:
        return roles
    if roles.count(role) == _DEEPEST[role]:
        deepest = {"start": "a start has none itself", "base": "a base has at most one base"}
        raise UsageError(
            f"{place} is a {' of a '.join(reversed(roles))}, and has a {role} itself", deepest[role]
        )
    return (*roles, role)


def _named(block: Any, default: Any) -> Any:
    """Return a nested block. Without a name it changes settings of the default component."""
    if not isinstance(block, dict) or "name" in block or not isinstance(default, str | dict):
        return block
    return {**({"name": default} if isinstance(default, str) else default), **block}
