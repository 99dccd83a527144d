"""How images with undone preprocessing compare with real ones, to notice that it was another one.

Three numbers tell it, measured on CIFAR-10 and the digits: the shift of the channels' means, the
contrast (the standard deviation of pixels over that of real images), and the detail (the same for
differences of neighbors). Wrong constants change contrast and detail by one factor: [-1, 1] taken
for the data's constants gives 0.5 and 0.5. Whitened images taken for normalized ones have a
contrast of 0.25 and a detail of 0.57. But honest images of low contrast, such as means of many, are
smooth: 0.69 and 0.23 for k-means. Those learned from noise have detail, but contrast too: 1.0 and
3.8. So low contrast without smoothness is wrong. High contrast is not, by itself.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.data.conversion import in_floats
from ddoq.data.images import Images
from ddoq.errors import DataError

_SAMPLE = 1000
# Beyond these it is refused, or warned of.
_SHIFT, _LOW = (0.25, 0.15), (0.6, 0.8)
_HIGH = 1.5
# The least detail, relative to contrast, that images of low contrast do not have by being smooth.
_ROUGH = 0.9
# Neighboring pixels of noise, or of images learned from it, hardly go together. Those of real ones
# do: 0.5 for the digits, 0.9 for CIFAR-10.
_NOISY, _LESS = 0.2, 0.3


@dataclass(frozen=True)
class Likeness:
    """A set's pixels compared with real ones."""

    shift: float
    """The largest difference of a channel's mean, where white is 1."""
    contrast: float
    detail: float
    smoothness: float
    """The correlation of neighboring pixels."""
    real_smoothness: float
    """The same in real images."""

    @property
    def is_flat(self) -> bool:
        """Whether contrast is missing, but no detail."""
        return self.detail > _ROUGH * self.contrast

    @property
    def is_noisy(self) -> bool:
        """Whether neighboring pixels go together as little as in noise, unlike real ones."""
        return self.smoothness < min(_NOISY, self.real_smoothness - _LESS)

    @property
    def words(self) -> str:
        """The numbers in words."""
        return (
            f"{self.contrast:.2f} times the contrast of real images, {self.detail:.2f} times their "
            f"detail, and a mean that is {self.shift:.2f} off"
        )


def likeness(images: Tensor, real: Tensor) -> Likeness:
    """Compare images with real ones of the same size."""
    mean, contrast, detail = _statistics(in_floats(images))
    real_mean, real_contrast, real_detail = _statistics(in_floats(real))
    return Likeness(
        float((mean - real_mean).abs().max()),
        contrast / real_contrast,
        detail / real_detail,
        1 - (detail / contrast) ** 2 / 2,
        1 - (real_detail / real_contrast) ** 2 / 2,
    )


def _statistics(x: Float[Tensor, "n c h w"]) -> tuple[Tensor, float, float]:
    mean = x.mean((0, 2, 3))
    contrast = (x - mean[:, None, None]).square().mean().sqrt()
    steps = x.diff(dim=2).square().mean() + x.diff(dim=3).square().mean()
    return mean, max(float(contrast), 1e-6), max(float((steps / 2).sqrt()), 1e-6)


def real_sample(images: Images) -> Tensor:
    """Return real training images spread over all, decoded for this alone."""
    step = -(-len(images.train) // _SAMPLE)
    return images.train.read(torch.arange(0, len(images.train), step), images.image_size)


def doubt(found: Likeness, undone: str, better: str = "") -> str:
    """Refuse images that cannot be right, if something was undone; of others, say what is odd.

    `better` names a preprocessing that fits the pixels better.
    """
    hint = f"; normalized={better} fits the pixels better" if better else ""
    if undone and (found.shift > _SHIFT[0] or (found.contrast < _LOW[0] and found.is_flat)):
        raise DataError(
            f"with {undone}, the images have {found.words}",
            f"something else was done to them{hint}: give another normalized=, or unusual=true if "
            "you are sure",
        )
    is_low = found.contrast < _LOW[1] and found.is_flat
    is_odd = is_low or found.shift > _SHIFT[1] or found.contrast > _HIGH
    if found.is_noisy:
        return f"{found.words}: unlike the data, their neighboring pixels differ as in noise{hint}"
    return f"{found.words}{hint}" if is_odd else ""


def num_constant(images: Tensor) -> int:
    """Return the number of images that are of one color."""
    flat = in_floats(images).flatten(2)
    return int(((flat.amax(2) - flat.amin(2)).amax(1) < 1 / 255).sum())
