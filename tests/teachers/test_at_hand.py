"""Is the teacher there without a training?"""

from pathlib import Path

from ddoq import recipe
from ddoq.run import Run
from ddoq.teachers.at_hand import teacher_at_hand


def test_a_teacher_that_has_yet_to_be_trained_is_not_asked(tmp_path: Path):
    chosen = ["recipe=digits", "teacher.source=pretrain", "pretrain.teacher.steps=2"]
    run = Run(recipe.read([*chosen, f"cache={tmp_path}"]).recipe)
    assert teacher_at_hand(run) is None
    run.pretrained("teacher")
    assert teacher_at_hand(run) is run.teacher
