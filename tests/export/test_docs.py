"""Do the docs of exports say what is so?"""

import dataclasses
from pathlib import Path

import pytest

import ddoq
from ddoq.evaluation.score import Result
from ddoq.export.command import ExportOrder, main
from ddoq.export.writers import WRITERS

DOCS = Path(ddoq.__file__).parents[1] / "docs" / "export.md"
TEXT = DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", WRITERS)
def test_the_lines_that_open_a_format_are_those_that_are_tested(name: str):
    assert f"```python\n{WRITERS[name].loading}```" in TEXT.partition(f"### {name}\n")[2]


def test_every_key_of_the_command_is_documented():
    own = {field.name for field in dataclasses.fields(ExportOrder)} - {"run", "debug"}
    assert {key for key in own if f"`{key}=" not in TEXT} == set()


def test_the_test_pictures_of_a_run_are_those_of_the_page(
    digits_run, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    part = TEXT.partition("### Test pictures\n\n")[2]
    said = [line.strip() for line in part.splitlines() if line.startswith("    ")]
    words = said[0].replace("checkpoints/runs/digits/RUN", str(digits_run)).split()[3:]
    main(words)
    assert capsys.readouterr().out.splitlines() == said[1:5]
    assert all(Path(name).is_file() for name in said[5].split() if name != "...")
    assert len(list(Path("digits_test").iterdir())) == 11


def test_every_column_of_results_is_documented():
    listed = TEXT.partition("### results.csv")[2].partition("### summary.json")[0]
    assert {f.name for f in dataclasses.fields(Result) if f"`{f.name}`" not in listed} == set()
