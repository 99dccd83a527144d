"""Which teacher judges, and by what."""

from pathlib import Path

import pytest
import torch

from ddoq import recipe
from ddoq.pushforward.judge import Judge, judge_of
from ddoq.run import Run


def run_of(folder: Path, *words: str) -> Run:
    return Run(recipe.read(["recipe=digits", f"cache={folder}", *words]).recipe)


def test_no_teacher_is_trained_for_the_figures_alone(tmp_path: Path):
    run = run_of(tmp_path, "teacher={name: trained, source: pretrain}")
    assert judge_of(run, is_used=False) is None
    assert judge_of(run, is_used=True) == Judge(run)


def test_a_teacher_on_this_machine_judges_where_labels_are_hard(tmp_path: Path):
    judge = judge_of(run_of(tmp_path), is_used=False)
    assert judge is not None
    assert judge.extractor == "features of the teacher (trained)"


def test_a_teacher_without_features_still_says_the_class(tmp_path: Path):
    member = "{name: trained, source: checkpoints/digits/teacher}"
    run = run_of(tmp_path, f"teacher={{name: ensemble, teachers: [{member}, {member}]}}")
    judge, images = Judge(run), run.images.pixels("test")
    assert judge.features(images) is None
    assert judge.share(images, run.images.test.labels) > 0.97


@pytest.mark.parametrize("size", [10, 300])
def test_features_do_not_depend_on_the_type_of_the_images(tmp_path: Path, size: int):
    run = run_of(tmp_path)
    images = run.images.pixels("test")[:size]
    found, again = (Judge(run).features(x) for x in (images, images / 255))
    assert found is not None
    torch.testing.assert_close(found, again)
