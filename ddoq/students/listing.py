"""Listings of the networks that can be students, and of their settings."""

import ast
from collections.abc import Mapping
from fnmatch import fnmatchcase

from ddoq.errors import UsageError
from ddoq.recipe.component import Kind
from ddoq.recipe.signature import REQUIRED, find_source, nearest, signature

_OTHERS = """\
timm/NAME         any model of timm, such as timm/resnet18
torchvision/NAME  any classification model of torchvision, such as torchvision/resnet18
package.module:Name
                  your own: a class or function in a file of the working directory

search=*vit* lists the networks with such names. name=timm/test_vit image_size=32 num_classes=10
makes one and prints its size. Its settings follow its name: name=resnet depth=20.
"""


def described(kind: Kind) -> str:
    """Describe our own networks and how others are named."""
    ours = [name for name in kind.table if "/" not in name]
    return "\n".join([*(_described(name, kind) for name in ours), _OTHERS])


def _described(name: str, kind: Kind) -> str:
    lines = [f"{name}: {_first_line(kind.table[name])}"]
    for key, (annotation, default) in signature(kind.table[name]).parameters.items():
        if key not in kind.supplies:
            value = "" if default is REQUIRED else "null" if default is None else str(default)
            lines.append(f"  {key + '=' + value:18}{_accepted(annotation)}")
    return "\n".join(lines) + "\n"


def _first_line(target: str) -> str:
    """Return the first line of an object's docstring, without importing it."""
    module, _, name = target.partition(":")
    file = find_source(module)
    assert file is not None
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


def _accepted(annotation: ast.expr | None) -> str:
    match annotation:
        case None:
            return "anything"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=options)):
            return ", ".join(str(ast.literal_eval(option)) for option in options)
        case _:
            return ast.unparse(annotation).replace(" | None", "")


def names(table: Mapping[str, str]) -> list[str]:
    """Return the names of our own networks, timm's and torchvision's."""
    import timm

    from ddoq.students.torchvision import models

    ours = [name for name in table if "/" not in name]
    theirs = [f"timm/{name}" for name in timm.list_models()]
    return [*ours, *theirs, *(f"torchvision/{name}" for name in models())]


def matching(pattern: str, known: list[str]) -> list[str]:
    """Return the names that match a shell pattern, or that contain it if it is plain text."""
    shape = pattern.lower()
    shape = shape if any(sign in shape for sign in "*?[") else f"*{shape}*"
    found = [n for n in known if fnmatchcase(n, shape) or fnmatchcase(n.rpartition("/")[2], shape)]
    if not found:
        raise UsageError(
            f"no student is named like {pattern!r}{nearest(pattern, known)}",
            "give part of a name or a shell pattern, such as search=*vit*",
        )
    return found
