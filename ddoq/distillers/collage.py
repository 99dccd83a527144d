"""Collages: the images of another set made small, several in the place of one."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import torch

from ddoq.data.conversion import as_bytes
from ddoq.data.images import Images
from ddoq.distillers.beginning import LearnedStart, begin
from ddoq.distillers.distiller import Distiller
from ddoq.files.stage import Planned
from ddoq.parameterizations.tiles import Tiles, folded
from ddoq.recipe.kinds import KINDS
from ddoq.recipe.settings import complete
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


class Collage(Distiller):
    """Put `factor` x `factor` small images of a start in the place of each image of the set.

    More images for as many bytes, of less detail each. IDC, IDM and M3D learn such images; here
    they are those of any other distiller. In each class those of like weight lie together, as a
    collage has one weight. Only a protocol that cuts tiles apart takes such a set.
    """

    def __init__(
        self,
        *,
        images_per_class: int = 10,
        start: dict[str, Any] | str = "ddoq",
        factor: int = 2,
        class_prior: Literal["uniform", "data"] = "uniform",
    ) -> None:
        self.size = Size(images_per_class)
        self._start = complete(KINDS, "distiller", start, place="start", roles=("start",))
        self._factor, self._class_prior = factor, class_prior

    def distill(self, images: Images, run: "Run", seed: int) -> SyntheticSet:
        """Return the set of a seed."""
        start = _by_weight(self._start_of(run).distill(images, run, seed))
        views = self._tiles(run).views
        begun = begin(start, images, self.size, views, class_prior=self._class_prior)
        small = folded(begun.images, self._factor)
        return SyntheticSet(
            # Learned images leave the range of bytes.
            images=as_bytes(small) if start.images.dtype == torch.uint8 else small,
            labels=begun.labels,
            weights=begun.weights.float(),
            class_names=images.class_names,
            class_ids=images.class_ids,
            space="image",
            hints=self.hints(run),
            provenance={
                "distiller": "collage",
                **self.size.key,
                "factor": self._factor,
                "start": dict(start.provenance),
                "seed": seed,
                "images": images.fingerprint,
                "licenses": run.licenses(self.parts(run)),
            },
        )

    def refuse(self, run: "Run", seed: int) -> None:
        """Refuse tiles that do not divide the images, and starts that cannot be made small."""
        self._begins(run).refuse(run, "start")
        self._start_of(run).refuse(run, seed)

    def parts(self, run: "Run") -> list[str]:
        """Return the parts that the start is made with."""
        return self._start_of(run).parts(run)

    def hints(self, run: "Run") -> dict[str, Any]:
        """Return how the images are cut."""
        return self._tiles(run).hints

    def stages(self, run: "Run", seed: int) -> list[Planned]:
        """Return the start's stages: making its images small takes no time."""
        return self._start_of(run).stages(run, seed)

    def _tiles(self, run: "Run") -> Tiles:
        return Tiles(run.images.preprocessing, run.images.image_size, factor=self._factor)

    def _begins(self, run: "Run") -> LearnedStart:
        number = (self.size.images_per_class or 1) * self._tiles(run).views
        return LearnedStart(self._start, number, self._class_prior)

    def _start_of(self, run: "Run") -> Distiller:
        return self._begins(run).made(run)


def _by_weight(start: SyntheticSet) -> SyntheticSet:
    """Return a set in order of its classes, the heaviest images of each first."""
    heaviest = start.weights.argsort(descending=True, stable=True)
    order = heaviest[start.labels[heaviest].argsort(stable=True)]
    kept = {name: getattr(start, name)[order] for name in ("images", "labels", "weights")}
    return replace(start, **kept, latents=None, targets=None, columns={})
