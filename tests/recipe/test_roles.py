"""May a distiller hold another one, whatever the role is called?"""

import sys
from pathlib import Path

import pytest

from ddoq import recipe
from ddoq.errors import UsageError
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.naming import told_apart
from ddoq.recipe.settings import complete
from ddoq.run import Run
from ddoq.run.refusals import refuse_run

SOURCE = """
class Learned:
    def __init__(self, *, start: dict | str = "random", images_per_class: int = 1): ...

class Wrapped:
    def __init__(self, *, base: dict | str | None = None, images_per_class: int = 1): ...
"""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put distillers of a user's own where a recipe finds them."""
    (tmp_path / "owndistillers.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "owndistillers", raising=False)
    return tmp_path / "owndistillers.py"


LEARNED, WRAPPED = "owndistillers:Learned", "owndistillers:Wrapped"


def read(*arguments: str) -> recipe.Recipe:
    return recipe.read(["recipe=digits", *arguments]).recipe


def test_a_start_is_completed_as_a_distiller_is():
    usual = complete(KINDS, "distiller", "random")
    assert complete(KINDS, "distiller", LEARNED)["start"] == usual
    chosen = complete(KINDS, "distiller", {"name": LEARNED, "start": {"images_per_class": 3}})
    assert chosen["start"] == {**usual, "images_per_class": 3}


def test_a_base_that_may_be_left_out_may_be_left_out():
    assert complete(KINDS, "distiller", WRAPPED)["base"] is None


def test_settings_of_a_start_are_set_one_by_one_on_the_command_line():
    words = f"distiller={LEARNED}", "distiller.start=herding", "distiller.start.features=pixels"
    start = read(*words).distiller["start"]
    assert (start["name"], start["features"]) == ("herding", "pixels")


def test_a_start_has_what_a_row_is_supplied_with_and_a_row_has_not():
    words = f"distiller={LEARNED}", "distiller.start=ddoq", "distiller.start.weighting=mass"
    start = read(*words, "distiller.start.decoder={name: unet, steps: 7}").distiller["start"]
    assert start["weighting"] == {"name": "mass"}
    assert start["decoder"] == {**complete(KINDS, "decoder", "unet"), "steps": 7}
    with pytest.raises(UsageError, match=r"(?s)no 'weighting'.*beside the distiller: weighting="):
        read("distiller={name: ddoq, weighting: mass}")


def test_a_decoder_of_a_start_is_refused_as_any_other():
    start = "{name: ddoq, decoder: {name: unet, interval: [0.9, 0.1]}}"
    run = Run(read(f"distiller={{name: {LEARNED}, start: {start}}}", "decoder=plain"))
    with pytest.raises(UsageError, match="guidance would never be used"):
        refuse_run(run)


def test_another_start_begins_afresh():
    words = f"distiller={{name: {LEARNED}, start: {{name: herding, features: pixels}}}}"
    assert "features" not in read(words, "distiller.start=random").distiller["start"]


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("hredings", r"distiller.start: there is no 'hredings' .did you mean 'herding'"),
        ("{name: herding, solver: lloyd}", r"distiller.start: .*herding takes no 'solver'"),
        (
            "{name: herding, decoder: plain}",
            r"(?s)herding takes no 'decoder'.*is a setting of ddoq",
        ),
        ("3", "distiller.start: 3 is not a component"),
        ("{name: random, images_per_class: 0}", r"distiller.start.images_per_class=0"),
    ],
)
def test_a_wrong_start_is_refused_where_it_stands(start: str, words: str):
    with pytest.raises(UsageError, match=words):
        read(f"distiller={{name: {LEARNED}, start: {start}}}")


def test_a_decoders_start_is_a_word():
    assert read("decoder=dit", "decoder.start=noise").decoder["start"] == "noise"


def test_a_start_of_a_start_is_refused():
    with pytest.raises(UsageError, match=r"distiller.start is a start, and has a start itself"):
        read(f"distiller={{name: {LEARNED}, start: {{name: {LEARNED}, start: random}}}}")


def test_a_base_nests_two_deep():
    two = {"name": WRAPPED, "base": {"name": WRAPPED, "base": {"name": LEARNED}}}
    done = complete(KINDS, "distiller", two)
    assert done["base"]["base"]["start"]["name"] == "random"
    with pytest.raises(
        UsageError, match=r"distiller.base.base is a base of a base, and has a base"
    ):
        complete(KINDS, "distiller", {"name": WRAPPED, "base": two})


def test_a_base_is_named_in_a_word_at_any_depth():
    block = f"distiller={{name: {WRAPPED}, base: {{name: {WRAPPED}, base: random}}}}"
    base = read(block, "distiller.base.base.images_per_class=7").distiller["base"]["base"]
    assert base == {**complete(KINDS, "distiller", "random"), "images_per_class": 7}


def test_the_code_of_a_start_is_in_the_key(own: Path):
    block = {"name": WRAPPED, "base": {"name": LEARNED, "start": {"name": "random"}}}
    run = Run(read())
    before = run.key("distiller", block)
    assert before["base"]["start"] == {"name": "random"}
    own.write_text(SOURCE + "# changed\n")
    after = run.key("distiller", {**block, "name": "random"})
    assert after["base"]["code"] != before["base"]["code"]


def test_rows_are_told_apart_by_their_starts():
    starts = ["random", "herding", {"name": "herding", "features": "pixels"}]
    blocks = [complete(KINDS, "distiller", {"name": LEARNED, "start": s}) for s in starts]
    assert [told_apart("distiller", b, blocks) for b in blocks] == [
        LEARNED,
        f"{LEARNED}(start=herding)",
        f"{LEARNED}(start=herding(features=pixels))",
    ]


def test_a_start_in_a_recipe_file_is_code_that_must_be_allowed(tmp_path: Path):
    file = tmp_path / "sent.yaml"
    file.write_text(f"distiller: {{name: random, start: '{LEARNED}'}}\n")
    with pytest.raises(UsageError, match=f"names code to run: {LEARNED}"):
        recipe.read([f"recipe={file}"])
