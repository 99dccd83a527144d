"""What a learned set starts from: the distiller of its start, and the images out of its set."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddoq.data.conversion import in_floats
from ddoq.data.images import Images
from ddoq.distillers.distiller import Distiller, as_distiller
from ddoq.distillers.weighting import of_real
from ddoq.errors import UsageError
from ddoq.files.artifacts import hash_of
from ddoq.recipe.component import Block
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.signature import signature
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run

# What becomes of a start's weights: they count and stay, stay, or are left out.
WeightsOfStart = Literal["start", "kept", "equal"]


class LearnedStart:
    """The distiller of a start, with as many images as there are to learn.

    It has its own decoder and weighting, or else those of the recipe.
    """

    def __init__(self, block: Block, number: int, class_prior: str) -> None:
        self._settings = {"images_per_class": number, "class_prior": class_prior}
        taken = signature(KINDS["distiller"].target("distiller", block["name"])).parameters
        self._not_taken = self._settings.keys() - taken.keys()
        own = {k: v for k, v in self._settings.items() if k in taken}
        self.block: Block = {**block, **own}

    def made(self, run: "Run") -> Distiller:
        """Return the distiller."""
        blocks = {"decoder": run.recipe.decoder, "weighting": run.recipe.weighting}
        return as_distiller(run.make("distiller", self.block, **blocks))

    def key(self, run: "Run", seed: int) -> dict[str, Any]:
        """Return what determines its set, not its images. So a plan knows it."""
        asked, made = run.asks_for("distiller", self.block), self.made(run)
        used = {kind: run.key(kind) for kind in asked if kind not in self.block}
        files = [hash_of(file) for file in made.files() if file.exists()]
        return {
            "start": run.key("distiller", self.block) | used,
            "start_stages": [p.stage.versioned(p.key) for p in made.stages(run, seed)],
            # What the start does not take is in no key of its own.
            **{k: self._settings[k] for k in sorted(self._not_taken)},
            **({"start_files": files} if files else {}),
        }

    def refuse(self, run: "Run", weights: WeightsOfStart) -> None:
        """Refuse a start without a size, and one that settles itself what classes weigh."""
        if self.made(run).keeps_all:
            raise UsageError(
                f"distiller.start={self.block['name']} has no size, as it keeps all images",
                "start from as many images as are to be learned: start=random",
            )
        is_asked = self._settings["class_prior"] == "data" and weights != "equal"
        if is_asked and "class_prior" in self._not_taken:
            raise UsageError(
                f"class_prior=data: what classes weigh is settled by distiller.start="
                f"{self.block['name']}, which takes no class_prior",
                "leave its weights out: distiller.weights=equal; or leave out class_prior",
            )


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


def begin(
    start: SyntheticSet,
    images: Images,
    size: Size,
    views: int,
    *,
    weights: WeightsOfStart = "start",
    class_prior: str = "uniform",
) -> Begun:
    """Return `views` images of a start for each image of the set, class by class, and its weights.

    If a class has fewer real images than tiles, some of them stand in several tiles. A weight of
    the start is the mean of the weights of an image's tiles.
    """
    _refuse_shape(start, images)
    numbers = size.numbers(images.counts.tolist())
    chosen = torch.cat(
        [_of_class(start, images, label, n, views) for label, n in enumerate(numbers)]
    )
    labels, own = start.labels[chosen[:, 0]], start.weights.double()[chosen].mean(1)
    even = of_real(labels, images.counts, class_prior)
    kept = even if weights == "equal" else own
    _refuse_weightless(kept, labels, images.class_names)
    counted = own if weights == "start" else even
    return Begun(in_floats(start.images)[chosen.flatten()], labels, kept, counted)


def _refuse_shape(start: SyntheticSet, images: Images) -> None:
    shape = images.channels, images.image_size, images.image_size
    if tuple(start.images.shape[1:]) != shape:
        raise UsageError(
            f"the start's images are {_shown(start.images.shape[1:])}, the real ones "
            f"{_shown(shape)}",
            "start from a set of the data's size",
        )


def _of_class(
    start: SyntheticSet, images: Images, label: int, number: int, views: int
) -> Int[Tensor, "number views"]:
    """Return the places in a start of what a class begins with."""
    own, wanted = (start.labels == label).nonzero()[:, 0], number * views
    # A start need not know that a class has fewer real images than are asked for.
    is_cut = len(own) > wanted and number == int(images.counts[label])
    if len(own) != wanted and not number <= len(own) < wanted and not is_cut:
        raise UsageError(
            f"the start has {len(own)} images of class {images.class_names[label]!r}, and "
            f"{wanted} are to be learned",
            "start from a set of this size: distiller.images_per_class",
        )
    # Tiles that are used again are so beside others: twins would stay twins.
    places = torch.arange(wanted)
    return own[(places + places // max(1, len(own))) % max(1, len(own))].reshape(number, views)


def _refuse_weightless(
    weights: Float[Tensor, " n"], labels: Int[Tensor, " n"], class_names: Sequence[str]
) -> None:
    """Refuse a class whose images have no weight: its loss would be no number."""
    for label, name in enumerate(class_names):
        own = weights[labels == label]
        if len(own) and not own.sum() > 0:
            raise UsageError(
                f"the start's images of class {name!r} have no weight, so nothing can be learned",
                "weight all images alike: distiller.weights=equal",
            )


def _shown(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
