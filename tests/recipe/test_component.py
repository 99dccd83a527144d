import ast
import sys
from pathlib import Path

import pytest

from ddoq.errors import UsageError
from ddoq.recipe.component import Kind, build, is_code, required
from ddoq.recipe.settings import complete
from ddoq.recipe.signature import accepts, local_sources, nearest, signature

SOURCE = """
import ast
from dataclasses import dataclass
from typing import Literal

import beside_things

class Maker:
    def __init__(self, num_classes: int, *, size: int, rate: float = 0.1,
                 kind: Literal["a", "b"] = "a", sides: tuple[int, ...] = (1, 2),
                 part: dict | str = "small", other=object()):
        self.given = (num_classes, size, rate, kind, sides, part)

class Small:
    def __init__(self, *, width: int = 3): ...

class Large:
    def __init__(self, *, height: int = 9): ...

def open_ended(num_classes: int, **settings): return (num_classes, settings)

@dataclass
class Described:
    depth: int
    note: str | None = None

class Inheriting(Described): ...

class Foreign(ast.NodeVisitor): ...

CONSTANT = 3
"""
MODULE = "things_for_component_tests"
KINDS = {
    "maker": Kind({"maker": f"{MODULE}:Maker", "any/*": f"{MODULE}:open_ended"}, ("num_classes",)),
    "part": Kind({"small": f"{MODULE}:Small", "large": f"{MODULE}:Large"}),
}


@pytest.fixture(autouse=True)
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{MODULE}.py").write_text(SOURCE)
    (tmp_path / "beside_things.py").write_text("import deeper_things, json")
    (tmp_path / "deeper_things.py").write_text("import beside_things")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)


def test_a_block_is_completed_with_the_defaults_of_its_component():
    assert complete(KINDS, "maker", {"name": "maker", "size": 5, "rate": 1}) == {
        "name": "maker",
        "size": 5,
        "rate": 1,
        "kind": "a",
        "sides": [1, 2],
        "part": {"name": "small", "width": 3},
    }


def test_completing_twice_changes_nothing():
    once = complete(KINDS, "maker", {"name": "maker", "size": 5})
    assert complete(KINDS, "maker", once) == once


def test_nothing_is_imported_to_read_a_signature():
    complete(KINDS, "maker", {"name": "maker", "size": 5})
    assert MODULE not in sys.modules


def test_a_nested_block_may_name_another_component():
    made = complete(KINDS, "maker", {"name": "maker", "size": 5, "part": "large"})
    assert made["part"] == {"name": "large", "height": 9}


def test_a_nested_block_without_a_name_changes_the_default_component():
    made = complete(KINDS, "maker", {"name": "maker", "size": 5, "part": {"width": 4}})
    assert made["part"] == {"name": "small", "width": 4}


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("makerr", "there is no 'makerr' .did you mean 'maker'"),
        ({"size": 3}, "the block has no name"),
        (3, "3 is not a component"),
        ({"name": "maker", "sizes": 3}, "takes no 'sizes' .did you mean 'size'"),
        ({"name": "maker", "num_classes": 3}, "takes no 'num_classes'"),
        ({"name": "maker", "size": "3"}, "maker.size: '3' is not a whole number"),
        ({"name": "maker", "size": True}, "maker.size: True is not a whole number"),
        ({"name": "maker", "kind": "c"}, "'c' is not one of a, b"),
        ({"name": "maker", "sides": [1, "x"]}, "is not a list, each entry"),
        ({"name": "maker", "part": {"height": 3}}, "maker.part: .*Small takes no 'height'"),
        ({"name": "maker", "part": 3}, "maker.part: 3 is not a component"),
        ({"name": "maker", "part": None}, "maker.part: None is not a component"),
        ("absent_module:Thing", "there is no module 'absent_module'"),
        (f"{MODULE}:Makerr", "defines no 'Makerr' .did you mean 'Maker'"),
    ],
)
def test_what_a_component_does_not_take_is_refused(block: object, message: str):
    with pytest.raises(UsageError, match=message):
        complete(KINDS, "maker", block)


def test_an_open_component_is_left_to_check_its_settings_itself():
    block = complete(KINDS, "maker", {"name": "any/net", "depth": 3})
    assert build(KINDS, "maker", block, num_classes=2) == (2, {"depth": 3})


def test_required_settings_are_those_without_a_default():
    assert required(KINDS, "maker", {"name": "maker"}) == ["size"]
    assert required(KINDS, "maker", {"name": "maker", "size": 1}) == []


def test_a_dataclass_is_read_by_its_fields():
    assert list(signature(f"{MODULE}:Described").parameters) == ["depth", "note"]


def test_a_constructor_is_inherited_from_a_class_of_the_same_file():
    assert list(signature(f"{MODULE}:Inheriting").parameters) == ["depth", "note"]


def test_a_class_that_inherits_its_constructor_from_elsewhere_takes_anything():
    assert signature(f"{MODULE}:Foreign").is_open


def test_building_hands_over_what_the_component_asks_for():
    block = complete(KINDS, "maker", {"name": "maker", "size": 5})
    made = build(KINDS, "maker", block, num_classes=7, channels=3)
    assert made.given == (7, 5, 0.1, "a", (1, 2), {"name": "small", "width": 3})


def test_local_sources_are_the_module_and_what_it_imports_from_beside_itself():
    names = [f.name for f in local_sources(MODULE)]
    assert names == ["beside_things.py", "deeper_things.py", f"{MODULE}.py"]


@pytest.mark.parametrize(
    ("annotation", "value", "fits"),
    [
        ("int", 1, True),
        ("float", 1, True),
        ("int", 1.0, False),
        ("float", True, False),
        ("bool", 1, False),
        ("int | None", None, True),
        ("int | None", "x", False),
        ("list[int]", [1, "x"], False),
        ("tuple[float, float]", [0.5, 1], True),
        ("tuple[float, float]", [0.5], False),
        ("dict[str, float]", {"a": 1}, True),
        ("dict[str, float]", {"a": "b"}, False),
        ("Path", "a/b", True),
        ("Literal['x', 'y']", "y", True),
        ("Literal['x', 'y']", "z", False),
        ("SomethingElse", object(), True),
    ],
)
def test_values_are_checked_against_annotations(annotation: str, value: object, fits: bool):
    assert accepts(ast.parse(annotation, mode="eval").body, value) is fits


@pytest.mark.parametrize("name", ["a:B", "a.b:C", "_a:b1"])
def test_code_has_the_form_of_module_and_name(name: str):
    assert is_code(name)


@pytest.mark.parametrize(
    "name", ["ab", "a:", ":B", "my-mod:B", "a/b:C", "http://x", "C:\\x", "a: b"]
)
def test_paths_and_urls_are_not_code(name: str):
    assert not is_code(name)


def test_a_hint_is_given_only_where_a_name_is_near():
    assert nearest("covnet", ["convnet", "timm/*"]) == " (did you mean 'convnet'?)"
    assert nearest("xyz", ["convnet"]) == ""
