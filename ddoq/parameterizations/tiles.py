"""Several small images in the place of one (IDC, Kim et al. 2022; IDM; M3D)."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ddoq.data.preprocessing import Preprocessing
from ddoq.errors import UsageError
from ddoq.parameterizations.pixels import Pixels
from ddoq.protocols.tiles import unfolded


def folded(images: Float[Tensor, "m c h w"], factor: int) -> Float[Tensor, "n c h w"]:
    """Shrink images, and put `factor` x `factor` of them, row by row, in the place of one."""
    side = images.shape[-1] // factor
    small = F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
    rows = small.unflatten(0, (-1, factor, factor)).permute(0, 3, 1, 4, 2, 5)
    return rows.flatten(4, 5).flatten(2, 3)


class Tiles:
    """Each stored image is `factor` x `factor` images of a `factor`-th of the side."""

    def __init__(
        self,
        preprocessing: Preprocessing,
        image_size: int,
        *,
        factor: int = 2,
        clamp: bool = False,
    ) -> None:
        if image_size % factor:
            raise UsageError(
                f"tiles: images of {image_size} pixels cannot be cut into {factor} x {factor} "
                "equal tiles",
                "give a factor that divides the side, or parameterization=pixels",
            )
        self._pixels, self._factor = Pixels(preprocessing, clamp=clamp), factor
        self.views = factor**2
        self.hints: dict[str, Any] = {"tiles": factor}

    def begin(self, images: Float[Tensor, "m c h w"]) -> dict[str, Tensor]:
        """Return the pixels of the images that hold these as tiles."""
        return self._pixels.begin(folded(images, self._factor))

    def decode(
        self, learned: Mapping[str, Tensor], rows: Int[Tensor, " n"]
    ) -> Float[Tensor, "m c h w"]:
        """Return the tiles of some images, enlarged, as networks see them."""
        return unfolded(self._pixels.decode(learned, rows), self._factor)

    def settle(self, learned: Mapping[str, Tensor]) -> None:
        """Bring clamped pixels back into their range."""
        self._pixels.settle(learned)

    def finish(self, learned: Mapping[str, Tensor]) -> Float[Tensor, "n c h w"]:
        """Return the images with their tiles."""
        return self._pixels.finish(learned)
