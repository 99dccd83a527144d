"""The teacher as a judge of images: its features, and the classes in which it puts them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Float, Int
from torch import Tensor

from ddoq.data.conversion import in_floats
from ddoq.priors.quality import features_of, in_class
from ddoq.teachers.at_hand import teacher_at_hand

if TYPE_CHECKING:
    from ddoq.run import Run

_BATCH = 256


@dataclass(frozen=True)
class Judge:
    """The recipe's teacher. It is made when it is first asked."""

    run: "Run"

    @property
    def key(self) -> Any:
        """What determines its answers."""
        return self.run.key("teacher")

    @property
    def extractor(self) -> str:
        """The name of the features, without which a distance in them means nothing."""
        return f"features of the teacher ({self.run.recipe.teacher['name']})"

    def share(self, images: Tensor, labels: Int[Tensor, " n"]) -> float:
        """Return the share of images that it puts in their class."""
        return in_class(self.run.teacher, images, labels, batch_size=_BATCH)

    def features(self, images: Tensor) -> Float[Tensor, "n dim"] | None:
        """Return its features of images, or None if its network does not say what they are."""
        teacher: Any = self.run.teacher
        if not hasattr(getattr(teacher, "net", None), "features"):
            return None
        device = self.run.world.device
        batches = (in_floats(x).to(device) for x in images.split(_BATCH))
        return features_of(teacher.features, batches).flatten(1)


def judge_of(run: "Run", *, is_used: bool) -> Judge | None:
    """Return the judge, or None if a teacher would have to be trained or loaded for it alone.

    `is_used` says whether the run asks the teacher for labels anyway.
    """
    is_local = run.recipe.teacher.get("source") is not None
    is_there = is_used or (is_local and teacher_at_hand(run) is not None)
    return Judge(run) if is_there else None
