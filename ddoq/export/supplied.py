"""What a run's recipe supplies beyond its set: mean and std, protocols, a teacher's soft labels.

Real images and the teacher may no longer be on this machine. What is missing is said, and the set
is exported without it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from ddoq import recipe as recipes
from ddoq.data.conversion import in_floats
from ddoq.display.console import Console
from ddoq.errors import DataError, DdoqError
from ddoq.evaluation.grid import tables_of
from ddoq.export.run_folder import RunFolder
from ddoq.protocols.protocol import Protocol
from ddoq.run import Run
from ddoq.synthetic import SyntheticSet
from ddoq.teachers.at_hand import teacher_at_hand

if TYPE_CHECKING:
    from ddoq.data.images import Images
    from ddoq.recipe import Recipe

T = TypeVar("T")
_BATCH = 256


@dataclass
class Supplied:
    """What could be had of a run's recipe, and remarks on what could not."""

    recipe: "Recipe | None" = None
    protocols: tuple[Protocol, ...] = ()
    """Those of the run, for a set of this size."""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    images: "Images | None" = None
    image_size: int | None = None
    """The side of the images that students were trained on."""
    soft_labels: Tensor | None = None
    remarks: dict[str, str] = field(default_factory=dict[str, str])
    """What is missing, and why. The reasons may name places of this machine."""
    errors: list[DdoqError] = field(default_factory=list[DdoqError])
    """What a person would have to fix, in the order of the remarks."""

    def attempt(self, what: str, work: Callable[[], T]) -> T | None:
        """Return what `work` makes, or None with a remark if a person would have to fix it."""
        try:
            return work()
        except DdoqError as error:
            self.remarks[what] = f"{error.cause} ({error.remedy})"
            self.errors.append(error)
            return None


def supply(
    origin: RunFolder, synthetic: SyntheticSet, *, cache: str, allow_code: bool = False
) -> Supplied:
    """Open a run's recipe, and ask it for what it can supply without training anything."""
    supplied = Supplied()
    if origin.recipe_file is None:
        supplied.remarks["the run of this set"] = (
            "scores, the source and the real images' mean and std are not known (export the "
            "run's folder, if there is one)"
        )
        return supplied
    given = [f"recipe={origin.recipe_file}", f"cache={cache}", f"allow_code={allow_code}"]
    wanted = supplied.attempt(
        "the run's protocol, mean, std and score to expect", lambda: recipes.read(given).recipe
    )
    if wanted is None:
        return supplied
    # One process is enough, whatever the run had.
    wanted = recipes.change(wanted, {"trainer": {"devices": 1}, "cache": cache})
    run = Run(wanted, Console(is_silent=True))
    supplied.recipe = wanted
    size = synthetic.images_per_class, synthetic.num_classes, synthetic.images.shape[-1]
    supplied.protocols = tuple(
        t.protocol.on(*size).hinted(synthetic.hints) for t in tables_of(run) if t.teacher is None
    )
    images = supplied.attempt("mean and std of the real images", lambda: run.images)
    if images is not None:
        supplied.images = images
        supplied.mean = tuple(map(float, images.mean))
        supplied.std = tuple(map(float, images.std))
        supplied.image_size = images.image_size
        if synthetic.targets is None and any(p.labels == "soft" for p in supplied.protocols):
            supplied.soft_labels = supplied.attempt(
                "the teacher's soft labels", lambda: _soft_labels(run, synthetic)
            )
    return supplied


def _soft_labels(run: Run, synthetic: SyntheticSet) -> Tensor:
    """Return a teacher's probabilities for the images as they are, not augmented."""
    teacher = teacher_at_hand(run)
    if teacher is None:
        raise DataError(
            "the teacher is not at hand, it would have to be trained or fetched",
            "give the run's cache=..., where it may lie",
        )
    order = run.images.class_ids
    if sorted(order) != sorted(synthetic.class_ids):
        raise DataError("the teacher's classes are not those of the set", "export without them")
    columns = torch.tensor([order.index(c) for c in synthetic.class_ids])
    parts = [
        teacher(in_floats(x).to(run.world.device)).cpu()[:, columns].float().softmax(1)
        for x in synthetic.images.split(_BATCH)
    ]
    return torch.cat(parts)
