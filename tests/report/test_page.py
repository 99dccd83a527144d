import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image

from ddoq.evaluation.results import Results
from ddoq.evaluation.score import Result
from ddoq.report.answer import Answer
from ddoq.report.page import Gallery, plot, write_page
from ddoq.report.pushed import PushedSheet
from ddoq.report.table import Sheet, sheets

EVIL = '"><script>alert(1)</script>'


COSTS = {"top5": 1.0, "loss": 0.1, "seconds": 1.0, "peak_memory_mb": 1.0, "labels": "soft"}


def found(student: str = "convnet", top1: float = 0.9) -> Sheet:
    runs = [
        Result(
            distiller=distiller,
            images_per_class=10,
            student=student,
            protocol="small",
            seed=seed,
            set_seed=seed,
            top1=top1 + 0.01 * seed - 0.1 * (distiller == "random"),
            **COSTS,
        )
        for distiller in ("ddoq", "random")
        for seed in range(3)
    ]
    return sheets(Results(runs), data="digits", num_test_images=360)[0]


def gallery(size: int = 2, channels: int = 1, names: tuple[str, ...] = ("cat", "dog")) -> Gallery:
    images = torch.arange(3, dtype=torch.uint8)[:, None, None, None] * 100
    images = images.expand(3, channels, size, size)
    return Gallery("plain", names, images, torch.tensor([0, 0, 1]), torch.tensor([0.1, 0.4, 0.5]))


def page(folder: Path, **changes: object) -> str:
    stage = {"stage": "encode", "seconds": 200.0, "peak_memory_mb": 640.4, "cached": True}
    certificate = {"class": "cat", "latents": 143, "points": 10, "distortion": 1.23456}
    certificate |= {"held_out_distortion": 1.5, "w2": 1.1111, "weights_w2": [1.1111, 1.2]}
    content = {
        "title": "digits",
        "answer": Answer(("It beats random images.",), ("The teacher is right.",), ("More.",)),
        "recipe_yaml": "name: digits\n",
        "sheets": [found()],
        "pictures": [gallery()],
        "stages": [stage],
        "certificates": [{**certificate, "effective_size": 8.25}],
    }
    write_page(folder / "report.html", **{**content, **changes})
    return (folder / "report.html").read_text(encoding="utf-8")


def pictures(text: str) -> list[Image.Image]:
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    return [Image.open(io.BytesIO(base64.b64decode(s))) for s in sources]


def test_the_answer_comes_first(tmp_path: Path):
    text = page(tmp_path)
    assert text.index("It beats random images.") < text.index("<table")
    assert "<li>More.</li>" in text
    assert EVIL not in page(tmp_path, answer=Answer((EVIL,), (EVIL,), (EVIL,)))


def test_float_images_are_shown_clamped_and_called_so(tmp_path: Path):
    floats = replace(
        gallery(), images=torch.tensor([-0.5, 0.5, 1.5])[:, None, None, None].expand(3, 1, 2, 2)
    )
    text = page(tmp_path, pictures=[floats])
    shown = [picture.getpixel((0, 0)) for picture in pictures(text)]
    # The heavier image of a class comes first.
    assert shown == [(128,) * 3, (0,) * 3, (255,) * 3]
    assert "shown clamped to [0, 1]" in text
    assert "clamped" not in page(tmp_path)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [value for key, value in attrs if key in ("href", "src", "action")]


def test_hostile_names_stay_text(tmp_path: Path):
    text = page(
        tmp_path,
        title=EVIL,
        recipe_yaml=EVIL,
        sheets=[found(EVIL)],
        pictures=[gallery(names=(EVIL, EVIL))],
    )
    assert "script" not in Tags(text).names
    assert text.count("&lt;script&gt;alert(1)") >= 6


def test_the_page_asks_nothing_of_the_network(tmp_path: Path):
    tags = Tags(page(tmp_path))
    assert tags.links
    assert all(str(link).startswith("data:image/png") for link in tags.links)
    assert not {"link", "iframe", "script"} & set(tags.names)


def test_the_page_shows_scores_verdicts_and_costs(tmp_path: Path):
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page(tmp_path)))
    assert "91.0 ± 2.5" in words
    assert "random +10.0 ± 0.0 3 \N{EN DASH} no spread, no test" in words
    assert "encode 3 min 20 s 640 MB from the cache" in words
    assert "cat 143 10 1.235 1.5 1.111 1.111 to 1.2 8.2" in words
    assert "name: digits" in words


def test_the_page_shows_how_near_the_images_are_to_real_ones(tmp_path: Path):
    lines = (("ddoq (plain)", "4.50", "-0.004 ± 0.002"),)
    near = PushedSheet("how near", ("set", "W2", "preci- sion"), lines, ("W2: far or near", EVIL))
    text = page(tmp_path, pushed=near)
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
    assert (
        "how near set W2 precision ddoq (plain) 4.50 \N{MINUS SIGN}0.004 ± 0.002 W2: far or near"
        in words
    )
    assert "script" not in Tags(text).names
    assert "how near" not in page(tmp_path)


def test_pictures_are_the_images_heaviest_first(tmp_path: Path):
    text = page(tmp_path)
    assert [p.getpixel((0, 0)) for p in pictures(text)] == [(100,) * 3, (0,) * 3, (200,) * 3]
    assert re.findall(r"<figcaption>(.*?)</figcaption>", text) == ["80.0 %", "20.0 %", "100.0 %"]


def test_large_pictures_are_made_smaller_and_small_ones_kept(tmp_path: Path):
    large = page(tmp_path, pictures=[gallery(224, 3)])
    assert {p.size for p in pictures(large)} == {(96, 96)}
    assert 'class="pixels"' not in large
    small = page(tmp_path)
    assert {p.size for p in pictures(small)} == {(2, 2)}
    assert small.count('class="pixels"') == 3


def test_at_most_twenty_classes_with_ten_images_are_shown(tmp_path: Path):
    labels = torch.arange(25).repeat_interleave(12)
    names = tuple(f"class{i}" for i in range(25))
    images = torch.zeros(300, 1, 2, 2, dtype=torch.uint8)
    many = Gallery("plain", names, images, labels, torch.ones(300))
    text = page(tmp_path, pictures=[many])
    assert len(pictures(text)) == 200
    assert "20 of 25 classes" in text


def test_the_plot_puts_a_dot_where_the_axis_says():
    drawn = plot(found())
    (first, low), (last, high) = ((x, float(t)) for x, t in (drawn["ticks"][0], drawn["ticks"][-1]))
    dots = [mark["x"] for row in drawn["rows"] for mark in row["marks"]]
    percent = [low + (x - first) / (last - first) * (high - low) for x in dots]
    assert percent == pytest.approx([91.0, 81.0], abs=0.05)


def test_an_interval_beyond_100_percent_ends_at_the_axis():
    drawn = plot(found(top1=0.985))
    (mark,) = drawn["rows"][0]["marks"]
    assert drawn["ticks"][-1][1] == "100"
    assert mark["ends"][1] == drawn["right"]


def test_a_page_without_results_still_shows_the_recipe(tmp_path: Path):
    tags = Tags(page(tmp_path, sheets=[], pictures=[], stages=[], certificates=[]))
    assert (tags.names.count("h2"), tags.names.count("pre")) == (2, 1)
