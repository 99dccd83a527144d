"""Does the card of an export say what is known, and what is not?"""

import html
import json
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt

from ddoq.evaluation.score import Result
from ddoq.export.command import main
from ddoq.export.templates import cell
from ddoq.report.files import write_results

RESULT = {
    "distiller": "ddoq",
    "images_per_class": 2,
    "weighting": "root",
    "decoder": "dit",
    "student": "convnet",
    "protocol": "small_hard",
    "labels": "hard",
    "set_seed": 0,
    "top5": 1.0,
    "loss": 0.1,
    "seconds": 1.0,
    "peak_memory_mb": 1.0,
}
NEAR = {
    **{k: RESULT[k] for k in ("distiller", "images_per_class", "weighting", "decoder")},
    "pixels": {"ratio": 0.75, "share": 0.13},
    "features": None,
}


def exported(place: Path, tmp_path: Path, name: str = "torch") -> Path:
    main([str(place), f"to={name}", f"out={tmp_path / 'out'}"])
    return tmp_path / "out"


def measured(folder: Path) -> None:
    """Give a run results and figures."""
    random = {**RESULT, "distiller": "random", "weighting": "-", "decoder": "-"}
    runs = [Result(**RESULT, seed=seed, top1=0.9 + 0.01 * seed) for seed in range(3)]
    runs += [Result(**random, seed=seed, top1=0.8) for seed in range(3)]
    write_results(folder, runs)
    (folder / "summary.json").write_text(json.dumps({"pushforward": {"sets": [NEAR]}}))


def test_the_hub_reads_the_head(digits_run, tmp_path):
    data = DatasetCard((exported(digits_run, tmp_path, "parquet") / "README.md").read_text()).data
    assert data.license == "cc-by-4.0"
    assert data.task_categories == ["image-classification"]
    assert data.size_categories == ["n<1K"]
    assert data.configs[0]["data_files"] == [{"split": "train", "path": "data/*.parquet"}]


def test_scores_stand_with_intervals_beside_random_images(digits_run, tmp_path):
    measured(digits_run)
    text = (exported(digits_run, tmp_path) / "README.md").read_text()
    assert "| small_hard | hard | convnet | 91.0 ± 2.5 (n=3) | 80.0 ± 0.0 (n=3) | - |" in text


def test_the_command_that_repeats_a_run_asks_for_the_folder_of_its_images(digits_run, tmp_path):
    recipe = digits_run / "recipe.yaml"
    for root, asked in (("", ""), ("  root: photos\n", " data.root=YOUR_FOLDER")):
        recipe.write_text(recipe.read_text().replace("data:\n", f"data:\n{root}"))
        text = (exported(digits_run, tmp_path) / "README.md").read_text()
        assert f"recipe=recipe.yaml{asked}` repeats the run" in text


def test_the_memorization_figure_stands_under_privacy(digits_run, tmp_path):
    measured(digits_run)
    _, _, privacy = (exported(digits_run, tmp_path) / "README.md").read_text().partition("## Priv")
    assert "is 0.75 of that of real test images, and 13 % of its images are as near" in privacy
    assert "features" not in privacy


def test_what_was_not_measured_is_said(color_set, tmp_path):
    color_set.save(tmp_path / "set")
    text = (exported(tmp_path / "set", tmp_path) / "README.md").read_text()
    for said in (
        "license: unknown",
        "Not known: there are no results beside this set.",
        "It was not measured how near",
        "Not at hand when this was exported: the run of this set.",
        "They are of this set's own images",
    ):
        assert said in text


def test_no_file_names_a_folder_of_this_machine(digits_run, color_set, tmp_path):
    recipe = digits_run / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("name: digits\ndata:", "name: /home/me/x\ndata:"))
    color_set.save(tmp_path / "set")
    for place in (digits_run, tmp_path / "set"):
        for file in exported(place, tmp_path).rglob("*"):
            content = file.read_bytes() if file.is_file() else b""
            assert b"/home" not in content, file
            assert str(tmp_path).encode() not in content, file


@pytest.mark.parametrize(
    "name",
    ["a|b", "`a`", "*a*", "_a_ and a_b", "[a](b)", "![a](b)", "~~a~~", "\\\\|", "<b>", "&lt;"],
)
def test_names_of_others_are_shown_as_they_are(name: str):
    table = f"| x | y |\n|---|---|\n| {cell(name)} | last |\n"
    shown = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(table)
    assert f"<td>{html.escape(name)}</td>" in shown


def test_chosen_real_images_are_not_called_synthetic(color_set, tmp_path):
    for distiller, is_made in (("mine", True), ("herding", False)):
        replace(color_set, provenance={"distiller": distiller}).save(tmp_path / "set")
        data = DatasetCard((exported(tmp_path / "set", tmp_path) / "README.md").read_text()).data
        assert ("synthetic" in data.tags) == is_made


@pytest.mark.parametrize("file", ["README.md", "train.py", "about.json", "grid.png", "recipe.yaml"])
def test_an_export_has_all_files(digits_run, tmp_path, file: str):
    assert (exported(digits_run, tmp_path) / file).stat().st_size > 0
