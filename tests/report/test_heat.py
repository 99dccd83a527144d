"""Does a map show every teacher and student, darker where it is better?"""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from ddoq.errors import UsageError
from ddoq.evaluation.results import Results
from ddoq.evaluation.score import Result
from ddoq.report.heat import HeatMap, heat_maps
from ddoq.report.table import Sheet, across, sheets

TOPS = {("A", "x"): 0.2, ("A", "y"): 0.4, ("B", "x"): 0.6, ("B", "y"): 0.3}


def maps(runs: list[Result]) -> list[HeatMap]:
    return heat_maps(Results(runs))


def tables(runs: list[Result]) -> list[Sheet]:
    return sheets(Results(runs), data="blobs", num_test_images=1)


def run(distiller: str, teacher: str, student: str, top1: float, **changes: object) -> Result:
    fields = {
        "distiller": distiller,
        "images_per_class": 10,
        "teacher": teacher,
        "student": student,
        "protocol": "small",
        "labels": "soft",
        "seed": 0,
        "set_seed": 0,
        "top1": top1,
        **{"top5": 1.0, "loss": 0.5, "seconds": 2.0, "peak_memory_mb": 1.0, "set_bytes": 1e6},
    }
    return Result(**{**fields, **changes})


@pytest.fixture
def results() -> list[Result]:
    """Two teachers, two students, two rows; and one row with hard labels."""
    soft = [
        run(d, t, s, top1 / (1 + (d == "random")))
        for d in ("ddoq", "herding", "random")
        for (t, s), top1 in TOPS.items()
    ]
    hard = [run("ddoq", "-", s, 0.5, protocol="small_hard", labels="hard") for s in "xy"]
    return soft + hard


@pytest.fixture
def leading(results) -> HeatMap:
    return maps(results)[0]


def test_the_leading_row_and_random_images_have_maps(results):
    assert [m.row.distiller for m in maps(results)] == ["ddoq", "random"]


def test_one_teacher_makes_no_map(results):
    assert maps([r for r in results if r.teacher != "B"]) == []


def test_better_is_darker(leading):
    assert leading.depth("B", "x") == 1
    assert leading.depth("A", "x") == 0
    assert leading.depth("A", "y") == pytest.approx(0.5)
    assert (
        sum(leading.color("B", "x")) < sum(leading.color("A", "y")) < sum(leading.color("A", "x"))
    )
    assert leading.is_dark("B", "x")
    assert not leading.is_dark("A", "x")


def test_a_map_of_one_value_is_light(results):
    even = maps(
        [r for r in results if (r.teacher, r.student) in {("A", "x"), ("B", "z")}]
        + [run("ddoq", "B", "x", 0.2)]
    )
    assert even[0].depth("A", "x") == 0


def test_a_missing_training_is_a_dash(results):
    shown = io.StringIO()
    found = maps([r for r in results if (r.teacher, r.student) != ("B", "y")])
    Console(file=shown, width=100).print(found[0])
    assert "teachers down, students across" in shown.getvalue()
    assert "60.0" in shown.getvalue()
    assert "30.0" not in shown.getvalue()
    assert "-" in shown.getvalue().splitlines()[-1]


def test_each_teacher_has_a_sheet_of_its_own(results):
    found = tables(results)
    assert [(s.protocol, s.teacher) for s in found] == [
        ("small", "A"),
        ("small", "B"),
        ("small_hard", "-"),
    ]
    assert "soft labels of A" in found[0].title


def test_teachers_are_never_compared(results):
    mixed = [r for r in results if r.labels == "soft" and r.student == "x"]
    with pytest.raises(UsageError, match=r"small \(A\), small \(B\) cannot be compared"):
        assert Results(mixed).only


def test_a_sheet_across_protocols_says_what_it_is(results):
    sheet = across(Results(results), data="blobs")
    assert sheet.students == ("small (A)", "small (B)", "small_hard")
    assert sheet.comparisons == ()
    assert not sheet.has_mean
    shown = io.StringIO()
    Console(file=shown, width=160).print(sheet)
    assert "ACROSS 3 PROTOCOLS OR TEACHERS" in shown.getvalue()
    assert "never numbers of two columns" in shown.getvalue()
    line = next(x for x in sheet.lines if x.row.distiller == "ddoq")
    assert [s.mean for s in line.scores if s] == pytest.approx([0.3, 0.45, 0.5])
    missing = next(x for x in sheet.lines if x.row.distiller == "herding")
    assert missing.scores[2] is None


def test_the_full_data_have_no_map_and_a_chosen_variant_leads(results):
    extra = [replace(r, distiller="ddoq(solver=d4m)") for r in results if r.distiller == "ddoq"]
    full = [run("full", t, "x", 0.9, images_per_class=0) for t in "AB"]
    valued = [
        replace(r, val_top1=0.9 if r.distiller == "ddoq(solver=d4m)" else 0.1)
        for r in [*results, *extra]
    ]
    found = [m.row.distiller for m in maps([*valued, *full])]
    assert found == ["ddoq(solver=d4m)", "random"]


def test_across_protocols_a_row_must_have_all_students_of_a_column(results):
    full = [run("full", t, "x", 0.9, images_per_class=0, note="same updates") for t in "AB"]
    sheet = across(Results([*results, *full]), data="blobs")
    assert "full" not in {line.row.distiller for line in sheet.lines}
    Console(file=io.StringIO(), width=160).print(sheet)


@pytest.mark.parametrize("top1", [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6])
def test_text_has_enough_contrast_on_every_cell(top1: float):
    """4.5 to 1 at least, as WCAG 2 asks."""
    [found] = maps(
        [run("ddoq", "A", "x", 0.2), run("ddoq", "A", "y", 0.6), run("ddoq", "B", "x", top1)]
    )
    channels = [c / 255 for c in found.color("B", "x")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    contrast = 1.05 / (light + 0.05) if found.is_dark("B", "x") else (light + 0.05) / 0.05
    assert contrast > 4.5
