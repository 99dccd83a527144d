"""Components: where they are found, and how they are made.

A component is a class or function named in a table (`name -> "module:Object"`) or by a user
(`module:Object`). Its signature is its schema, and is read from the source without an import.
A recipe may set every parameter except those that the program supplies (`num_classes`,
`autoencoder`, ...).
"""

import ast
import contextlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ddoq.errors import UsageError
from ddoq.recipe.plugin import blamed, expect
from ddoq.recipe.signature import (
    REQUIRED,
    Signature,
    find_source,
    nearest,
    signature,
)

Block = dict[str, Any]

# Settings that hold a list of blocks, and the kind of these blocks.
SEVERAL = {"teachers": "teacher"}

# Settings of a distiller that hold another one: its starting set, and the one that it wraps.
ROLES = {"start": "distiller", "base": "distiller"}
# What only a distiller's setting of this name holds.
_OF_DISTILLERS = {**ROLES, "objective": "set_objective"}


@dataclass(frozen=True)
class Kind:
    """One kind of component: its table, and the parameters that the program supplies."""

    table: Mapping[str, str]
    supplies: tuple[str, ...] = ()
    presets: Mapping[str, Any] | None = None
    """Ready-made values of some of the table's names. A block may change any of their fields."""
    usual: Mapping[str, Block] = field(default_factory=dict[str, Block])
    """Defaults of some of the table's names, where they are not those of the constructor."""
    offers: tuple[str, ...] = ()
    """The attributes that the program uses of a component of this kind."""

    def target(self, kind: str, name: str) -> str:
        """Return the `module:Object` behind a short name."""
        if name in self.table:
            return self.table[name]
        family = name.split("/", 1)[0] + "/*"
        if family in self.table:
            return self.table[family]
        if ".py:" in name and find_source(name.partition(":")[0]) is None:
            module = name.replace(".py:", ":").replace("/", ".").lstrip(".")
            raise UsageError(f"{kind}: {name!r} names a file", f"name its module: {module}")
        if is_code(name):
            return name
        families = [known.replace("*", name) for known in self.table if known.endswith("/*")]
        theirs = f" ({' or '.join(families)}, if they have it)" if families else ""
        is_folder = kind == "data" and Path(name).expanduser().is_dir()
        folder = f" (did you mean data.root={name} with recipe=imagefolder?)" if is_folder else ""
        raise UsageError(
            f"{kind}: there is no {name!r}{folder or nearest(name, self.table)}",
            f"use one of {', '.join(self.table)}{theirs}, or package.module:Name for your own",
        )


def is_code(name: str) -> bool:
    """Say whether a name has the form `package.module:Name`, which no path or URL has."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and all(map(str.isidentifier, [*module.split("."), attribute]))


def kind_of(kinds: Mapping[str, Kind], owner: str, key: str) -> str | None:
    """Return the kind of the components that a setting holds, or None if it holds none.

    Only a distiller has roles: a decoder's `start` is a word, and a network's objective is its own.
    """
    named = {**SEVERAL, **(_OF_DISTILLERS if owner == "distiller" else {})}
    kind = named.get(key, key)
    return kind if kind in kinds else None


def required(kinds: Mapping[str, Kind], kind: str, block: Block) -> list[str]:
    """Return the required settings that a block lacks."""
    if kinds[kind].presets:
        return []
    settable = signature(kinds[kind].target(kind, block["name"])).parameters
    needed = [k for k, (_, d) in settable.items() if d is REQUIRED]
    return [k for k in needed if k not in block and k not in kinds[kind].supplies]


def build(kinds: Mapping[str, Kind], kind: str, block: Block, **supplied: Any) -> Any:
    """Make the component of a checked block, and pass it the supplied values that it names.

    A block's own value comes before a supplied one. A nested block is passed as it is: its owner
    decides when to make it.
    """
    name = block["name"]
    presets = kinds[kind].presets or {}
    if name in presets:
        return presets[name].change(**{k: v for k, v in block.items() if k != "name"})
    target = kinds[kind].target(kind, name)
    module, _, attribute = target.partition(":")
    is_own = name not in kinds[kind].table and is_code(name)
    with blamed(target) if is_own else contextlib.nullcontext():
        made: Any = getattr(importlib.import_module(module), attribute)
    settable = signature(target)
    given = {**kinds[kind].usual.get(name, {}), **block}
    asked = {k: v for k, v in supplied.items() if k in settable.parameters or settable.is_open}
    wanted = {k: v for k, v in asked.items() if k not in block}
    settings = {k: _as_annotated(settable, k, v) for k, v in given.items() if k != "name"}
    is_family = "/" in name and name not in kinds[kind].table
    if is_family and "model" in kinds[kind].supplies:
        settings["model"] = name.split("/", 1)[1]
    if not is_own:
        return made(**wanted, **settings)
    with blamed(target, made):
        done = made(**wanted, **settings) if callable(made) else made
    missing = [a for a in kinds[kind].offers if not hasattr(done, a)]
    needs = f"something with {', '.join(kinds[kind].offers)}, for a {kind}"
    expect(not missing, made, f"{name} has no {', '.join(missing)}; it", needs, done)
    return done


def _as_annotated(settable: Signature, key: str, value: Any) -> Any:
    """Convert a list to the tuple that a constructor is annotated with, as YAML has only lists."""
    annotation = settable.parameters.get(key, (None, None))[0]
    wants_tuple = annotation is not None and "tuple[" in ast.unparse(annotation)
    return tuple(value) if wants_tuple and isinstance(value, list) else value


def sources(block: Block) -> list[str]:
    """Return the sources of the weights of a component and of those within it."""
    own = [block["source"]] if block.get("source") else []
    return own + [s for key in SEVERAL for member in block.get(key, []) for s in sources(member)]
