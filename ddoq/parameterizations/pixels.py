"""Every pixel is learned."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from ddoq.data.preprocessing import Preprocessing


class Pixels:
    """Pixels as networks see them: normalized.

    With `clamp`, pixels from 0 (black) to 1 (white) are learned instead, and kept in this range.
    """

    views = 1

    def __init__(self, preprocessing: Preprocessing, *, clamp: bool = False) -> None:
        self._preprocessing, self._clamp = preprocessing, clamp
        self.hints: dict[str, Any] = {}

    def begin(self, images: Float[Tensor, "n c h w"]) -> dict[str, Tensor]:
        """Return the pixels of the images."""
        seen = images.clamp(0, 1) if self._clamp else self._preprocessing.forward(images)
        return {"images": seen}

    def decode(
        self, learned: Mapping[str, Tensor], rows: Int[Tensor, " n"]
    ) -> Float[Tensor, "n c h w"]:
        """Return some images as networks see them."""
        images = learned["images"][rows]
        return self._preprocessing.forward(images) if self._clamp else images

    def settle(self, learned: Mapping[str, Tensor]) -> None:
        """Bring clamped pixels back into their range."""
        if self._clamp:
            learned["images"].clamp_(0, 1)

    def finish(self, learned: Mapping[str, Tensor]) -> Float[Tensor, "n c h w"]:
        """Return the images, which may leave [0, 1] if they are not clamped."""
        images = learned["images"].detach()
        return images.clone() if self._clamp else self._preprocessing.inverse(images)
