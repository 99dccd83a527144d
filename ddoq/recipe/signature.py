"""The signatures of components' constructors, read from their source without importing it."""

import ast
import difflib
import functools
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddoq.errors import UsageError

REQUIRED = object()


_OPAQUE = object()  # There is a default, but only running the code would show it.


@dataclass(frozen=True)
class Signature:
    """The settable parameters of a component: name -> (annotation, default)."""

    parameters: dict[str, tuple[ast.expr | None, Any]]
    is_open: bool = False
    """Whether it takes further keyword arguments, which only the component can check."""


def nearest(name: str, accepted: Iterable[str]) -> str:
    """Return a hint at the accepted name that is nearest to `name`, if one is near."""
    close = difflib.get_close_matches(name, list(accepted), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def find_source(module: str, roots: Sequence[str] | None = None) -> Path | None:
    """Return the file of a module, without importing the module or its parents."""
    tail = Path(*module.split("."))
    for root in sys.path if roots is None else roots:
        for candidate in (tail.with_suffix(".py"), tail / "__init__.py"):
            if (Path(root or ".") / candidate).is_file():
                return (Path(root or ".") / candidate).resolve()
    return None


def local_sources(module: str) -> list[Path]:
    """Return the file of a user's module, and those beside it that it imports, at any depth."""
    first = find_source(module)
    found: list[Path] = []
    waiting = [first] if first else []
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.append(file)
        for name in _imports(file):
            # Look beside the file too, as relative imports name no package.
            beside = find_source(name, [*sys.path, str(file.parent), str(file.parent.parent)])
            is_local = beside and first and beside.is_relative_to(first.parent)
            if beside and is_local and "site-packages" not in beside.parts:
                waiting.append(beside)
    return sorted(found)


def _tree(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"), str(file))
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        cause = error.msg if isinstance(error, SyntaxError) else str(error)
        raise UsageError(f"{file}{line}: not valid Python: {cause}", "correct the file") from error


def _imports(file: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            names += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [a.name if not node.module else f"{node.module}.{a.name}" for a in node.names]
            names += [node.module] if node.module else []
    return names


@functools.cache
def _definitions(file: Path) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in _tree(file).body:
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
    return _signature_of(definitions[name], definitions)


def _signature_of(node: ast.stmt, definitions: Mapping[str, ast.stmt]) -> Signature:
    if isinstance(node, ast.FunctionDef):
        return _from_arguments(node.args)
    if not isinstance(node, ast.ClassDef):
        return Signature({})
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            inner = _from_arguments(child.args)
            first = [*child.args.posonlyargs, *child.args.args][:1]
            inner.parameters.pop(first[0].arg if first else "self", None)
            return inner
    fields = [c for c in node.body if isinstance(c, ast.AnnAssign)]
    if fields and any("dataclass" in ast.unparse(d) for d in node.decorator_list):
        named = {c.target.id: c for c in fields if isinstance(c.target, ast.Name)}
        return Signature({name: (c.annotation, _default(c.value)) for name, c in named.items()})
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    for base in bases:
        if base in definitions:
            return _signature_of(definitions[base], definitions)
    # The constructor is another file's, so only the class itself knows what it takes.
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
        return REQUIRED
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
_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "Path": "a path",
    "None": "null",
    "list": "a list",
    "tuple": "a list",
    "Sequence": "a list",
    "dict": "a mapping",
    "Mapping": "a mapping",
}
"""What a recipe's reader calls these types."""


def accepts(annotation: ast.expr | None, value: Any) -> bool:
    """Say whether a recipe's value fits an annotation. Unknown annotations accept any value."""
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
    expected = [inner.elts[0]] * len(value) if _is_ellipsis(inner.elts[-1]) else inner.elts
    return len(expected) == len(value) and all(map(accepts, expected, value))


def in_words(annotation: ast.expr | None) -> str:
    """Say which values an annotation accepts, to people who do not write Python."""
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"{in_words(left)} or {in_words(right)}"
        case ast.Name(id=name) if name in _WORDS:
            return _WORDS[name]
        case ast.Constant(value=None):
            return _WORDS["None"]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=options):
            return f"one of {', '.join(map(str, _literals(options)))}"
        case ast.Subscript(value=ast.Name(id=name), slice=inner) if name in _WORDS:
            items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            values = items[-1:] if _NESTED[name] is dict else items
            each = dict.fromkeys(in_words(v) for v in values if not _is_ellipsis(v))
            return f"{_WORDS[name]}, each entry {' or '.join(each)}"
        case _:
            return ast.unparse(annotation) if annotation else "anything"


def _is_ellipsis(annotation: ast.expr) -> bool:
    return isinstance(annotation, ast.Constant) and annotation.value is ...


def _literals(options: ast.expr) -> list[Any]:
    elements = options.elts if isinstance(options, ast.Tuple) else [options]
    return [ast.literal_eval(e) for e in elements]


def defaults(settable: Signature) -> dict[str, Any]:
    """Return the defaults of those settable parameters that have a plain default."""
    known = settable.parameters.items()
    return {k: d for k, (_, d) in known if d is not REQUIRED and d is not _OPAQUE}
