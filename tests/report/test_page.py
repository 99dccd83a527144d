"""Does the page show everything, say it to everybody, and ask nothing of the network?"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ddoq.evaluation.curves import LEARNED
from ddoq.report.finished import CONTENT, FinishedRun
from ddoq.report.page import breakable, code, write_page
from tests.report.conftest import trainings

EVIL = '"><script>alert(1)</script>'
VOID = {"meta", "img", "br", "wbr", "link", "input", "hr"}
Maker = Callable[..., Path]


class Tags(HTMLParser):
    """The elements of a page; those that are not closed, or closed out of order, are `wrong`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)
        self.close()
        self.wrong += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.all]

    def attributes(self, key: str) -> list[Any]:
        return [a[key] for _, a in self.all if key in a]


def page(*folders: Path) -> str:
    file = folders[0] / "report.html"
    write_page(file, [FinishedRun.read(f) for f in folders])
    return file.read_text(encoding="utf-8")


def words(text: str) -> str:
    return re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", text, flags=re.S))
    )


@pytest.fixture
def whole(make_run: Maker) -> str:
    return page(make_run())


def test_the_page_is_well_formed_and_names_are_unique(whole: str):
    tags = Tags(whole)
    assert tags.wrong == []
    ids = tags.attributes("id")
    assert len(ids) == len(set(ids)) > 20


def test_every_part_stands_in_its_place(whole: str):
    order = re.findall(r'<section (?:class="answer" |id="([a-z]+)")', whole)
    assert order == [
        *("", "table", "pictures", "sizes", "teachers", "latents", "masses", "near", "curves"),
        *("costs", "recipe", "environment", "glossary"),
    ]


def test_the_page_asks_nothing_of_the_network(whole: str):
    tags = Tags(whole)
    links = tags.attributes("href") + tags.attributes("src") + tags.attributes("xlink:href")
    assert links
    assert all(re.match(r"#|data:image/(png|webp);base64,", link) for link in links)
    assert not {"link", "iframe", "script", "object"} & set(tags.names)
    assert re.findall(r"url\((?!#)", whole) == []


def test_headings_are_in_order_and_tables_are_described(whole: str):
    tags = Tags(whole)
    levels = [int(n[1]) for n in tags.names if re.fullmatch(r"h\d", n)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    named = [a for n, a in tags.all if n == "table" and "aria-label" in a]
    sheets = re.findall(r'<figure class="sheet">\s*<figcaption>[^<]+</figcaption>', whole)
    assert len(sheets) + len(named) == tags.names.count("table") > 5
    assert all("scope" in a for n, a in tags.all if n == "th")


def test_every_picture_and_plot_has_a_text_instead(whole: str):
    tags = Tags(whole)
    pictures = [a for n, a in tags.all if n == "img"]
    plots = [a for n, a in tags.all if n == "svg"]
    assert len(pictures) == 4
    assert len(plots) == 10
    assert all(a["alt"] for a in pictures)
    assert all(a["role"] == "img" and len(a["aria-label"] or "") > 20 for a in plots)
    assert "cat: 3 images by set, the heaviest first (50 % to 10 % of the weight" in whole


def test_the_answer_comes_first(whole: str):
    text = words(whole)
    first = text.index("The set ddoq (root, plain) of 1 image per class beats random real images")
    assert first < text.index("digits" if "digits" in text else "pets · protocol small")
    assert "The teacher itself is right on 97.0 % of test images." in text


def test_scores_verdicts_and_costs_are_shown(whole: str):
    text = words(whole)
    assert "latents 3.3 min 61.2 kB 640 MB cached" in text
    assert "cat 143 10 1.235 1.5 1.111 1.111 to 1.2 8.2" in text
    assert "How near set W2 precision ddoq (plain) 4.50 \N{MINUS SIGN}0.004 ± 0.002" in text
    assert "name: pets" in text
    assert "python 3.12.0" in text


def test_what_a_run_does_not_have_is_left_out(make_run: Maker):
    folder = make_run(results=[])
    (folder / CONTENT).unlink()
    tags = Tags(page(folder))
    assert tags.wrong == []
    assert [a["id"] for n, a in tags.all if n == "section" and "id" in a] == [
        *("near", "costs", "glossary"),
    ]


def test_points_that_are_not_among_the_images_latents_have_no_distance_beside_theirs(
    make_run: Maker,
):
    folder, said = make_run(), "How far each class's real latents are from its points"
    assert said in page(folder)
    told = json.loads((folder / "summary.json").read_text())
    told["pushforward"]["sets"][0]["w2_points"] = None
    (folder / "summary.json").write_text(json.dumps(told))
    assert said not in page(folder)


def test_figures_that_were_switched_off_are_said_to_be(make_run: Maker):
    why = "They were switched off: evaluation.pushforward=false."
    text = page(make_run(pushed=None, not_pushed=why))
    assert (
        f"was not measured (KID, precision and recall, the nearest training images). {why}" in text
    )


def test_the_losses_of_learned_sets_have_a_plot_of_their_own(make_run: Maker):
    curve = {"row": "dm, 10 per class", "protocol": LEARNED, "teacher": "", "student": ""}
    text = page(make_run(curves=[{**curve, "num_steps": 2, "losses": [3.0, 1.5]}]))
    assert "Loss, sets learned by the run; one seed" in text
    assert "dm, 10 per class: from 3 to 1.5 in 2 steps" in text


def test_each_scored_set_has_a_brief_table(make_run: Maker):
    given = [replace(r, read="classes by ids") if r.distiller == "ddoq" else r for r in trainings()]
    text = page(make_run(results=given))
    assert text.count('<tr class="lead"><th scope="row">ddoq</th>') == 2


def test_hostile_names_stay_text(make_run: Maker):
    text = page(make_run(names=(EVIL, EVIL), title=EVIL, recipe=EVIL, data=EVIL))
    assert "script" not in Tags(text).names
    assert Tags(text).wrong == []
    assert text.count("&lt;script&gt;alert(1)") >= 6


def test_a_report_has_the_same_bytes_again(make_run: Maker):
    folder = make_run()
    assert page(folder) == page(folder)


def test_plots_follow_the_pages_colors(whole: str):
    [plot, *_] = re.findall(r"<svg.*?</svg>", whole, flags=re.S)
    assert "var(--ink)" in plot
    assert "var(--c0)" in plot
    assert not re.findall(r"(?:fill|stroke): #", plot)
    assert "<text" in plot
    assert "font-family" not in plot


def test_several_runs_share_a_page_with_unique_names(make_run: Maker):
    text = page(make_run("one"), make_run("two"))
    tags = Tags(text)
    assert tags.wrong == []
    ids = tags.attributes("id")
    assert len(ids) == len(set(ids))
    labels = [a["aria-label"] for n, a in tags.all if a.get("role") == "region"]
    assert len(labels) == len(set(labels))
    assert "The answer: one" in text
    assert "<h1>2 runs compared</h1>" in text


def test_a_number_stays_with_its_interval_and_a_path_breaks_after_its_parts():
    assert code("up by +3.5 ± 0.2 of `a ± b`") == ("up by +3.5\xa0±\xa00.2 of <code>a ± b</code>")
    assert breakable("trained(source=a/b)<") == "trained(source=<wbr>a/<wbr>b)&lt;"


@pytest.mark.parametrize("about", [{}, {"points_in": "inverted"}])
def test_certificates_say_which_latents_they_are_about(make_run: Maker, about: dict[str, Any]):
    said = re.search(
        r"squared distance of a class.{1,5}s (.*?) to their points", page(make_run(about=about))
    )
    assert said
    assert said[1] == ("inverted latents" if about else "latents")
