"""What the table of the push-forward shows, and what it leaves out."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from ddoq.evaluation.score import Row
from ddoq.pushforward.class_kid import ClassKID
from ddoq.pushforward.distance import Distance
from ddoq.pushforward.figures import Figures
from ddoq.pushforward.halves import Redundancy
from ddoq.pushforward.memorization import Nearness
from ddoq.pushforward.pushforward import Pushed, PushForward
from ddoq.report.pushed import PushedSheet, pushed_sheet

FIGURES = Figures(
    w2_weights=Distance(4.5, 4.75),
    w2_uniform=Distance(5.0, 5.0),
    kid=ClassKID(-0.00351, 0.0042),
    precision=1.0,
    recall=0.9,
    in_class=0.996,
    pixels=Nearness(0.75, 0.13),
    features=Nearness(None, 0.0),
)
SET = Pushed(
    Row("ddoq", 10, "root", "dit"), 0, 100, Distance(4.0, 4.0), FIGURES, Redundancy(0.95, 0.92)
)
FOUND = PushForward((SET,), "test", "features of the teacher (trained)", 0.991, "convnet")


def text(sheet: PushedSheet, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(sheet)
    return stream.getvalue()


def test_every_figure_has_a_cell():
    assert pushed_sheet(FOUND).lines == (
        ("ddoq (root, dit)", "4.00", "4.50-4.75", "5.00", "-0.0035 ± 0.004", "1.00", "0.90", "100%",
         "0.75 (13%)", "? (0%)", "95.0 (92.0)"),
    )  # fmt: skip


def test_every_column_is_explained_and_the_features_are_named():
    sheet = pushed_sheet(FOUND)
    words = [header.replace("- ", "") for header in sheet.headers[1:]]
    assert [m.split(":")[0] for m in sheet.meanings] == words
    assert sum("features of the teacher (trained)" in m for m in sheet.meanings) == 3
    assert any("99.1 % of test images" in m for m in sheet.meanings)


def test_what_was_not_measured_has_no_column():
    bare = replace(
        SET, w2_points=None, figures=Figures(pixels=Nearness(1.0, 0.01)), redundancy=None
    )
    sheet = pushed_sheet(PushForward((bare,), "test"))
    assert sheet.headers == ("set", "nearest pixels")
    assert len(sheet.meanings) == 1


def test_figures_that_sets_are_too_small_for_are_explained():
    small = replace(SET, figures=replace(FIGURES, kid=None, recall=None), left_out="too few images")
    said = pushed_sheet(replace(FOUND, sets=(small, small))).meanings[-3:]
    assert [line.split()[0] for line in said] == ["KID", "recall", "halves"]
    assert said[2].endswith("too few images")


@pytest.mark.parametrize(("second", "headers"), [(10, ("set",)), (50, ("set", "ipc"))])
def test_sizes_have_a_column_if_they_differ(second: int, headers: tuple[str, ...]):
    other = replace(SET, row=replace(SET.row, images_per_class=second))
    sheet = pushed_sheet(replace(FOUND, sets=(SET, other)))
    assert sheet.headers[: len(headers)] == headers
    assert ("10 per class" in sheet.title) == (second == 10)


def test_a_terminal_that_is_wide_enough_gets_the_table():
    wide = text(pushed_sheet(FOUND), 140)
    assert "-0.0035 ± 0.004" in wide
    assert "in the report (" not in wide


def test_a_narrower_terminal_is_told_where_the_table_stands():
    narrow = text(pushed_sheet(FOUND), 80)
    assert "-0.0035" not in narrow
    assert "in the report (W2 points, W2 images," in " ".join(narrow.split())
    assert max(map(len, narrow.splitlines())) <= 80
