"""What a reader may rely on in the whole package: one name, one thing; nothing too long."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import ddoq

PACKAGE = Path(ddoq.__file__).parent
TREES = {f.relative_to(PACKAGE): ast.parse(f.read_text("utf-8")) for f in PACKAGE.rglob("*.py")}
LONGEST_FUNCTION, MOST_FILES_ABOVE = 40, 20


def named_types(tree: ast.Module) -> set[str]:
    """Return the public classes and type aliases that a module defines."""
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assigned = [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]
    names = {target.id for target in assigned if isinstance(target, ast.Name)}
    aliases = {name for name in names if name[0].isupper() and not name.isupper()}
    return {name for name in classes | aliases if not name.startswith("_")}


def test_no_type_has_the_name_of_another():
    homes: dict[str, list[str]] = defaultdict(list)
    for file, tree in TREES.items():
        for name in named_types(tree):
            homes[name].append(str(file))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


@pytest.mark.parametrize(
    "source", ["class Some: ...", "Some = dict[str, int]\n_Own = Some\nMOST = 1"]
)
def test_classes_and_aliases_are_seen(source: str):
    assert named_types(ast.parse(source)) == {"Some"}


def test_no_function_is_longer_than_a_screen():
    lengths = {
        f"{file}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: n for name, n in lengths.items() if n > LONGEST_FUNCTION} == {}


def test_few_files_lie_beside_the_folders():
    above = sorted(file.name for file in TREES if len(file.parts) == 1)
    assert len(above) <= MOST_FILES_ABOVE, above
