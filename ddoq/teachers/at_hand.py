"""The recipe's teacher, where it need not be trained first."""

from typing import TYPE_CHECKING

from ddoq.errors import DdoqError
from ddoq.files.stage import PRETRAIN
from ddoq.teachers.teacher import Teacher

if TYPE_CHECKING:
    from ddoq.run import Run


def teacher_at_hand(run: "Run") -> Teacher | None:
    """Return the recipe's teacher, or None if it must be trained first or cannot be loaded."""
    block = run.recipe.teacher
    is_made = block.get("source") != "pretrain"
    if not is_made and not run.is_done(PRETRAIN.part("teacher"), run.pretrain_key("teacher")):
        return None
    try:
        return run.teacher
    except DdoqError:
        return None
