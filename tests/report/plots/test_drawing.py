"""Is matplotlib's SVG turned into a part of a page?"""

import re
from html import unescape

import pytest

from ddoq.report.plots.drawing import INK, drawn
from ddoq.report.plots.masses import masses


def figure(name: str = "one", alt: str = "A line.", title: str = "") -> str:
    def draw(ax) -> None:
        ax.plot([0, 1], [0, 1], "o-", color=INK)
        ax.set_title(title)

    return drawn(name, alt, 2.0, draw)


def test_all_names_begin_with_the_figures_own():
    ids = re.findall(r'\bid="([^"]+)"', figure("mine"))
    used = re.findall(r'(?:url\(#|href="#)([^")]+)', figure("mine"))
    assert ids
    assert used
    assert all(name.startswith("mine-") for name in [*ids, *used])
    assert set(used) <= set(ids)


def test_the_text_instead_is_escaped():
    [label] = re.findall(r'aria-label="([^"]*)"', figure(alt='a "b" <c>'))
    assert unescape(label) == 'a "b" <c>'


def test_nothing_of_the_file_format_is_left():
    text = figure()
    assert text.startswith('<svg class="plot" role="img"')
    assert not re.search(r"<\?xml|<!DOCTYPE|<metadata|http", text)


@pytest.mark.parametrize("name", ["$x_1$", "日本語", "a & b <c>"])
def test_any_name_can_be_drawn(name: str):
    text = figure(title=name)
    assert name in unescape(text)


def test_a_figure_is_the_same_twice():
    rows = [{"class": "cat", "shares": [0.6, 0.4], "effective_size": 1.9}]
    assert masses(rows, "a") == masses(rows, "a")


def test_masses_are_told_in_words():
    rows = [{"class": "cat", "shares": [0.6, 0.4], "effective_size": 1.923}]
    assert "cat: 2 points, the heaviest 60 %, effective size 1.9." in masses(rows, "a")
