"""Do the docs of exports say what is so?"""

import dataclasses
from pathlib import Path

import pytest

import ddoq
from ddoq.evaluation.score import Result
from ddoq.export.command import ExportOrder
from ddoq.export.writers import WRITERS

DOCS = Path(ddoq.__file__).parents[1] / "docs" / "export.md"
TEXT = DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", WRITERS)
def test_the_lines_that_open_a_format_are_those_that_are_tested(name: str):
    assert f"```python\n{WRITERS[name].loading}```" in TEXT.partition(f"### {name}\n")[2]


def test_every_key_of_the_command_is_documented():
    own = {field.name for field in dataclasses.fields(ExportOrder)} - {"run", "debug"}
    assert {key for key in own if f"`{key}=" not in TEXT} == set()


def test_the_test_images_of_a_run_become_pictures_as_the_page_says(
    digits_run, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code = TEXT.partition("this writes its test images:\n\n```python\n")[2].partition("```")[0]
    exec(code.replace("RUN/", f"{digits_run}/"), {})
    assert len(list(Path("test_pictures").rglob("*.png"))) == 539
    assert len(list(Path("test_pictures").iterdir())) == 10


def test_every_column_of_results_is_documented():
    listed = TEXT.partition("### results.csv")[2].partition("### summary.json")[0]
    assert {f.name for f in dataclasses.fields(Result) if f"`{f.name}`" not in listed} == set()
