"""Do the plots of accuracies show every number?"""

import re

import pytest

from ddoq.evaluation.results import Results
from ddoq.report.plots.scores import scores
from ddoq.report.plots.sizes import sizes
from ddoq.report.table import sheets
from tests.report.conftest import trainings


def test_every_row_and_score_is_drawn_and_told():
    [sheet, *_] = sheets(Results(trainings((1,))), data="pets", num_test_images=1)
    text = scores(sheet, "a")
    told = re.findall(r'aria-label="([^"]*)"', text)[0]
    for line in sheet.lines:
        for score in line.scores:
            assert score
            assert score.text in told
    assert "random, 1 per class" in text
    assert "vit" in text


def test_sizes_are_drawn_if_there_are_several():
    one, two = (Results(trainings(s)).parts[0] for s in ((1,), (1, 10)))
    assert sizes(one, "a") is None
    text = sizes(two, "a")
    assert text
    assert "ddoq (root, plain): 62.7 ± 1.7 at 1, 80.7 ± 1.7 at 10" in text
    assert "all images: 67.5 ± 1.2" in text


def test_an_interval_beyond_100_percent_ends_at_the_axis():
    [sheet, *_] = sheets(Results(trainings((19,))), data="pets", num_test_images=1)
    labels = re.findall(r"<text[^>]*>\s*(\d+)\s*</text>", scores(sheet, "a"))
    assert labels
    assert max(map(int, labels)) <= 100


@pytest.mark.parametrize("students", [{"vit"}, {"convnet", "vit"}])
def test_no_label_covers_a_mark(students: set[str]):
    rows = [run for run in trainings((1, 10)) if run.student in students]
    [sheet, *_] = sheets(Results(rows), data="pets", num_test_images=1)
    text = scores(sheet, "a")
    labels = re.findall(r'y="([\d.]+)"[^>]*>[^<]*(?:per class|all images)</text>', text)
    marks = re.findall(r'<g clip-path="[^"]+">\s*<use [^>]*y="([\d.]+)"', text)
    assert len(labels) == len(sheet.lines)
    assert len(marks) == len(sheet.lines) * len(students)
    for label in map(float, labels):
        # Letters reach 8 above their line and 2 below it, marks 2 around their middle.
        assert not [y for y in map(float, marks) if label - 12 < y < label + 9]
