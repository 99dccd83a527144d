"""Types in the words of people who do not write Python."""

import ast

import pytest

from ddoq.recipe.signature import in_words


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ("int", "a whole number"),
        ("float | None", "a number or null"),
        ("Literal['soft', 'hard']", "one of soft, hard"),
        ("Sequence[int]", "a list, each entry a whole number"),
        ("tuple[float, ...]", "a list, each entry a number"),
        ("dict[str, bool]", "a mapping, each entry true or false"),
        ("Student", "Student"),
    ],
)
def test_a_type_is_said_in_words(annotation: str, words: str):
    assert in_words(ast.parse(annotation, mode="eval").body) == words
