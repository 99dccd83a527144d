"""The whole training set without weights, as the reference for all others."""

from typing import TYPE_CHECKING

from ddoq.data.images import Images
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.run import Run


class Full:
    """Keep every real training image."""

    def distill(self, images: Images, run: "Run") -> SyntheticSet:
        """Return all training images as a set."""
        return images.whole()
