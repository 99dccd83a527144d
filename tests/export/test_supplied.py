"""What does a run supply beyond its set?"""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ddoq import recipe
from ddoq.errors import DataError
from ddoq.export.command import main
from ddoq.export.run_folder import find
from ddoq.export.supplied import supply
from ddoq.run import Run


def test_a_teachers_soft_labels_are_of_the_images_as_they_are(digits_run, tmp_path):
    main([str(digits_run), "to=safetensors", f"out={tmp_path / 'out'}"])
    read = load_file(tmp_path / "out" / "data.safetensors")
    teacher = Run(recipe.read(["recipe=digits"]).recipe).teacher
    expected = teacher(read["images"] / 255).softmax(1)
    torch.testing.assert_close(read["soft_labels"], expected)
    about = json.loads((tmp_path / "out" / "about.json").read_text())
    assert about["provenance"]["exported"]["soft_labels"] == "teacher"
    assert (about["mean"], about["std"]) == ([0.305], [0.376])


def test_a_teacher_that_would_have_to_be_trained_is_left_out_and_said(digits_run, tmp_path):
    file = digits_run / "recipe.yaml"
    file.write_text(file.read_text().replace("checkpoints/digits/teacher", "pretrain"))
    synthetic, origin = find(digits_run)
    supplied = supply(origin, synthetic, cache=str(tmp_path / "cache"))
    assert supplied.soft_labels is None
    assert "not at hand" in supplied.remarks["the teacher's soft labels"]
    assert supplied.mean == (0.305,)


@pytest.mark.parametrize(
    ("before", "after", "remark"),
    [
        ("name: digits\n  image", "name: mine:Digits\n  image", "allow_code=true"),
        ("name: digits\n  image_size: 8", "name: digits\n  image_size: -8", "image_size"),
    ],
)
def test_a_recipe_that_cannot_be_opened_costs_no_export(
    digits_run: Path, tmp_path: Path, capsys, before: str, after: str, remark: str
):
    file = digits_run / "recipe.yaml"
    file.write_text(file.read_text().replace(before, after))
    main([str(digits_run), "to=torch", f"out={tmp_path / 'out'}"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert "without the run's protocol, mean, std and score to expect: " in last
    assert remark in last
    assert json.loads((tmp_path / "out" / "about.json").read_text())["mean"] is None


@pytest.mark.parametrize("name", ["recipe.yaml", "summary.json"])
def test_a_damaged_file_of_a_run_is_named(digits_run: Path, name: str):
    for content in ("{", "3"):
        (digits_run / name).write_text(content)
        with pytest.raises(DataError, match=f"{name}: it cannot be read"):
            find(digits_run)


def test_the_folder_of_a_set_within_a_run_is_the_run(digits_run):
    inner, outer = find(digits_run / "synthetic"), find(digits_run)
    assert inner[0] == outer[0]
    assert inner[1].recipe == outer[1].recipe != {}
