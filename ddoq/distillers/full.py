"""The whole training set, unweighted: what there is to reach."""

from typing import TYPE_CHECKING

import torch

from ddoq.data.images import Images
from ddoq.errors import ResourceError
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


class Full:
    """Keep every real training image."""

    def distill(self, images: Images, run: "Run") -> SyntheticSet:
        """Return all training images as a set."""
        if not images.fits_in_memory("train"):
            raise ResourceError(
                f"the full data ({len(images.train)} images) does not fit in memory",
                "quote a published number instead (evaluation.quoted), and leave `full` out",
            )
        return images.subset(torch.arange(len(images.train)), distiller="full")
