"""What a learned set starts from: the distiller of its start, and the images out of its set."""

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.data.conversion import in_floats
from ddoq.data.images import Images
from ddoq.distillers.distiller import Distiller, as_distiller
from ddoq.errors import UsageError
from ddoq.recipe.component import Block
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.signature import signature
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


class LearnedStart:
    """The distiller of a start, with as many images as there are to learn.

    It has its own decoder and weighting, or else those of the recipe.
    """

    def __init__(self, block: Block, number: int, class_prior: str) -> None:
        settings = {"images_per_class": number, "class_prior": class_prior}
        taken = signature(KINDS["distiller"].target("distiller", block["name"])).parameters
        self.block: Block = {**block, **{k: v for k, v in settings.items() if k in taken}}

    def made(self, run: "Run") -> Distiller:
        """Return the distiller."""
        blocks = {"decoder": run.recipe.decoder, "weighting": run.recipe.weighting}
        return as_distiller(run.make("distiller", self.block, **blocks))

    def key(self, run: "Run", seed: int) -> dict[str, Any]:
        """Return what determines its set, not its images. So a plan knows it."""
        asked = run.asks_for("distiller", self.block)
        used = {kind: run.key(kind) for kind in asked if kind not in self.block}
        stages = self.made(run).stages(run, seed)
        return {
            "start": run.key("distiller", self.block) | used,
            "start_stages": [p.stage.versioned(p.key) for p in stages],
        }


class Begun(NamedTuple):
    """What a learned set starts from."""

    images: Float[Tensor, "m c h w"]
    """As many for each image of the set as it stands for, in [0, 1]."""
    labels: Int[Tensor, " n"]
    weights: Float[Tensor, " n"]
    """Those that the set has."""
    counted: Float[Tensor, " n"]
    """What an image counts in the loss."""


def refuse_changes(images: Images, augmentation: str) -> None:
    """Refuse to augment data that are stored like images but are none."""
    if augmentation and images.modality != "image":
        raise UsageError(
            f"augmentation={augmentation} is for images, and the data's modality is "
            f"{images.modality!r}",
            "leave it out: distiller.augmentation=''",
        )


def refuse_endless(start: Distiller, name: str) -> None:
    """Refuse a start that keeps all images, before it is asked for any."""
    if start.keeps_all:
        raise UsageError(
            f"distiller.start={name} has no size, as it keeps all images",
            "start from as many images as are to be learned: start=random",
        )


def begin(
    start: SyntheticSet, images: Images, size: Size, views: int
) -> tuple[Float[Tensor, "m c h w"], Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Return `views` images for each image of the set, class by class, its labels and weights.

    If a class has fewer real images than tiles, some of them stand in several tiles. A weight is
    the mean of the weights of an image's tiles.
    """
    shape = images.channels, images.image_size, images.image_size
    if tuple(start.images.shape[1:]) != shape:
        raise UsageError(
            f"the start's images are {_shown(start.images.shape[1:])}, the real ones "
            f"{_shown(shape)}",
            "start from a set of the data's size",
        )
    rows: list[Tensor] = []
    for label, number in enumerate(size.numbers(images.counts.tolist())):
        own = (start.labels == label).nonzero()[:, 0]
        wanted = number * views
        if len(own) != wanted and not number <= len(own) < wanted:
            raise UsageError(
                f"the start has {len(own)} images of class {images.class_names[label]!r}, and "
                f"{wanted} are to be learned",
                "start from a set of this size: distiller.images_per_class",
            )
        rows.append(own[torch.arange(wanted) % len(own)])
    chosen = torch.cat(rows).reshape(-1, views)
    weights = start.weights.double()[chosen].mean(1)
    return in_floats(start.images)[chosen.flatten()], start.labels[chosen[:, 0]], weights


def _shown(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
