"""What does a component accept, and how is it made? Read from its source, without importing it.

A component is a class or function named in a table (`name -> "module:Object"`) or by a user
(`module:Object`). Its signature is its schema: the parameters that the program itself supplies
(`num_classes`, `autoencoder`, ...) aside, every parameter may be set in a recipe.
"""

import ast
import difflib
import functools
import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddoq.errors import UsageError

Block = dict[str, Any]
_REQUIRED = object()
_OPAQUE = object()  # there is a default, but only running the code would tell which


@dataclass(frozen=True)
class Kind:
    """One kind of component: its table, and the parameters that the program supplies."""

    table: Mapping[str, str]
    supplies: tuple[str, ...] = ()
    presets: bool = False
    """The table's names are ready-made values; a block may change any of their fields."""

    def target(self, kind: str, name: str) -> str:
        """Return the `module:Object` behind a short name."""
        if name in self.table:
            return self.table[name]
        family = name.split("/", 1)[0] + "/*"
        if family in self.table:
            return self.table[family]
        if is_code(name):
            return name
        raise UsageError(
            f"{kind}: there is no {name!r}{nearest(name, self.table)}",
            f"use one of {', '.join(self.table)}, or package.module:Name for your own",
        )


def is_code(name: str) -> bool:
    """Say whether a name has the form `package.module:Name`, which no path or URL has."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and all(map(str.isidentifier, [*module.split("."), attribute]))


@dataclass(frozen=True)
class Signature:
    """The settable parameters of a component: name -> (annotation, default)."""

    parameters: dict[str, tuple[ast.expr | None, Any]]
    is_open: bool = False
    """It takes further keyword arguments, which only the component itself can check."""


def nearest(name: str, accepted: Iterable[str]) -> str:
    """Return a hint at the accepted name that `name` was probably meant to be."""
    close = difflib.get_close_matches(name, list(accepted), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def find_source(module: str, roots: Sequence[str] | None = None) -> Path | None:
    """Return the file of a module without importing it or its parents."""
    tail = Path(*module.split("."))
    for root in sys.path if roots is None else roots:
        for candidate in (tail.with_suffix(".py"), tail / "__init__.py"):
            if (Path(root or ".") / candidate).is_file():
                return (Path(root or ".") / candidate).resolve()
    return None


def local_sources(module: str) -> list[Path]:
    """Return a user's module file and the modules beside it that it imports, however deep."""
    first = find_source(module)
    found: list[Path] = []
    waiting = [first] if first else []
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.append(file)
        for name in _imports(file):
            # Also beside the file itself: relative imports name no package.
            beside = find_source(name, [*sys.path, str(file.parent), str(file.parent.parent)])
            is_local = beside and first and beside.is_relative_to(first.parent)
            if beside and is_local and "site-packages" not in beside.parts:
                waiting.append(beside)
    return sorted(found)


def _imports(file: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [a.name if not node.module else f"{node.module}.{a.name}" for a in node.names]
            names += [node.module] if node.module else []
    return names


@functools.cache
def _definitions(file: Path) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update({t.id: node for t in targets if isinstance(t, ast.Name)})
    return found


def signature(target: str) -> Signature:
    """Read the parameters of `module:Object` from its source."""
    module, _, name = target.partition(":")
    file = find_source(module)
    if file is None:
        raise UsageError(
            f"{target}: there is no module {module!r}",
            "a file in the working directory or an installed package is found by its name",
        )
    definitions = _definitions(file)
    if name not in definitions:
        raise UsageError(
            f"{target}: {file.name} defines no {name!r}{nearest(name, definitions)}",
            f"it defines {', '.join(definitions) or 'nothing'}",
        )
    return _signature_of(definitions[name])


def _signature_of(node: ast.stmt) -> Signature:
    if isinstance(node, ast.FunctionDef):
        return _from_arguments(node.args)
    if not isinstance(node, ast.ClassDef):
        return Signature({})
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            inner = _from_arguments(child.args)
            inner.parameters.pop(child.args.args[0].arg, None)
            return inner
    fields = [c for c in node.body if isinstance(c, ast.AnnAssign)]
    if fields and any("dataclass" in ast.unparse(d) for d in node.decorator_list):
        named = {c.target.id: c for c in fields if isinstance(c.target, ast.Name)}
        return Signature({name: (c.annotation, _default(c.value)) for name, c in named.items()})
    # The constructor is inherited from somewhere: only the class itself can say.
    return Signature({}, is_open=bool(node.bases))


def _from_arguments(arguments: ast.arguments) -> Signature:
    positional = arguments.posonlyargs + arguments.args
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults = [*missing, *arguments.defaults, *arguments.kw_defaults]
    every = positional + arguments.kwonlyargs
    pairs = zip(every, defaults, strict=True)
    return Signature(
        {a.arg: (a.annotation, _default(default)) for a, default in pairs},
        is_open=arguments.kwarg is not None,
    )


def _default(node: ast.expr | None) -> Any:
    if node is None:
        return _REQUIRED
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return _OPAQUE
    return list(value) if isinstance(value, tuple) else value


_SIMPLE = {
    "int": int,
    "float": (int, float),
    "str": str,
    "bool": bool,
    "Path": str,
    "None": type(None),
}
_NESTED = {"list": list, "tuple": list, "Sequence": list, "dict": dict, "Mapping": dict}


def accepts(annotation: ast.expr | None, value: Any) -> bool:
    """Say whether a recipe's value fits an annotation; what is not understood is let through."""
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return accepts(left, value) or accepts(right, value)
        case ast.Constant(value=None):
            return value is None
        case ast.Name(id=name) if name in _SIMPLE:
            is_bool = isinstance(value, bool) and name not in ("bool", "None")
            return isinstance(value, _SIMPLE[name]) and not is_bool
        case ast.Subscript(value=ast.Name(id="Literal"), slice=options):
            return value in _literals(options)
        case ast.Name(id=name) if name in _NESTED:
            return isinstance(value, _NESTED[name])
        case ast.Subscript(value=ast.Name(id=name), slice=inner) if name in _NESTED:
            return isinstance(value, _NESTED[name]) and _fits(inner, value)
        case _:
            return True


def _fits(inner: ast.expr, value: Any) -> bool:
    if isinstance(value, dict):
        return not isinstance(inner, ast.Tuple) or all(
            accepts(inner.elts[1], v) for v in value.values()
        )
    if not isinstance(inner, ast.Tuple):
        return all(accepts(inner, v) for v in value)
    ellipsis = isinstance(inner.elts[-1], ast.Constant) and inner.elts[-1].value is ...
    expected = [inner.elts[0]] * len(value) if ellipsis else inner.elts
    return len(expected) == len(value) and all(map(accepts, expected, value))


def _literals(options: ast.expr) -> list[Any]:
    elements = options.elts if isinstance(options, ast.Tuple) else [options]
    return [ast.literal_eval(e) for e in elements]


def complete(
    kinds: Mapping[str, Kind], kind: str, block: Any, *, place: str | None = None
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
        raise UsageError(
            f"{place}: the block has no name", f"add one of {', '.join(kinds[kind].table)}"
        )
    target = kinds[kind].target(place, name)
    settable = signature(target)
    for supplied in kinds[kind].supplies:
        settable.parameters.pop(supplied, None)
    checked = check_settings(kinds, settable, block, place=place, target=target)
    return {"name": name, **({} if kinds[kind].presets else defaults(settable)), **checked}


def check_settings(
    kinds: Mapping[str, Kind], settable: Signature, block: Block, *, place: str, target: str
) -> Block:
    """Refuse unknown keys, wrong types and missing settings; complete what is nested."""
    for key, value in block.items():
        if key in settable.parameters:
            annotation = settable.parameters[key][0]
            if key not in kinds and not accepts(annotation, value):
                assert annotation is not None
                raise UsageError(
                    f"{place}.{key}: {value!r} is not {ast.unparse(annotation)}",
                    f"give {place}.{key} a value of that type",
                )
        elif not settable.is_open:
            raise UsageError(
                f"{place}: {target} takes no {key!r}{nearest(key, settable.parameters)}",
                f"it takes {', '.join(settable.parameters) or 'no settings'}",
            )
    filled = {**defaults(settable), **block}
    known = defaults(settable)
    nested = {
        k: _named(v, known.get(k))
        for k, v in filled.items()
        if k in kinds and (v is not None or known.get(k) is not None)
    }
    done = {k: complete(kinds, k, v, place=f"{place}.{k}") for k, v in nested.items()}
    return {**block, **done}


def _named(block: Any, default: Any) -> Any:
    """Return a nested block; one without a name changes the default component's settings."""
    if isinstance(block, dict) and "name" not in block and isinstance(default, str):
        return {"name": default, **block}
    return block


def defaults(settable: Signature) -> Block:
    """Return the defaults of the settable parameters that have a plain one."""
    known = settable.parameters.items()
    return {k: d for k, (_, d) in known if d is not _REQUIRED and d is not _OPAQUE}


def required(kinds: Mapping[str, Kind], kind: str, block: Block) -> list[str]:
    """Return the settings that a block must still be given."""
    if kinds[kind].presets:
        return []
    settable = signature(kinds[kind].target(kind, block["name"])).parameters
    needed = [k for k, (_, d) in settable.items() if d is _REQUIRED]
    return [k for k in needed if k not in block and k not in kinds[kind].supplies]


def build(kinds: Mapping[str, Kind], kind: str, block: Block, **supplied: Any) -> Any:
    """Make the component of a checked block, handing it what it asks for by name.

    A block within the block is handed over as it is: its owner decides when to make it.
    """
    name = block["name"]
    target = kinds[kind].target(kind, name)
    module, _, attribute = target.partition(":")
    made: Any = getattr(importlib.import_module(module), attribute)
    if kinds[kind].presets and name in kinds[kind].table:
        changes = {k: v for k, v in block.items() if k != "name"}
        return made.preset(name, **changes)
    if not callable(made):
        return made
    settable = signature(target)
    wanted = {k: v for k, v in supplied.items() if k in settable.parameters or settable.is_open}
    settings = {k: _as_annotated(settable, k, v) for k, v in block.items() if k != "name"}
    is_family = "/" in name and name not in kinds[kind].table
    if is_family and "model" in kinds[kind].supplies:
        settings["model"] = name.split("/", 1)[1]
    return made(**wanted, **settings)


def _as_annotated(settable: Signature, key: str, value: Any) -> Any:
    """Give a constructor the tuple it is annotated with; YAML knows only lists."""
    annotation = settable.parameters.get(key, (None, None))[0]
    wants_tuple = annotation is not None and "tuple[" in ast.unparse(annotation)
    return tuple(value) if wants_tuple and isinstance(value, list) else value
