"""Mode guidance (MGD3, Chan-Santiago et al. 2025): each image is drawn towards its point."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ddoq.guides.guide import Targets


@dataclass(frozen=True, kw_only=True)
class ModeGuide:
    """Move each predicted clean image towards its point, in the first steps.

    MGD3 adds the difference to the noisy sample; here it changes the predicted clean image, which
    is the same direction and does not depend on the scheduler.
    """

    strength: float = 0.1
    """The share of the distance that each step moves."""
    stop: float = 0.5
    """The share of the decoder's steps after which the guidance ends."""

    @property
    def guides_classes(self) -> bool:
        """Every image is guided alone."""
        return False

    def __call__(
        self, clean: Float[Tensor, "n ..."], targets: Targets, done: float
    ) -> Float[Tensor, "n ..."]:
        """Return the clean images, moved towards their points."""
        if done >= self.stop:
            return clean
        return clean + self.strength * (targets.points - clean)
