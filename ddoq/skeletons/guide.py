"""A guide of your own: it changes the clean images that a prior predicts at each step.

python -m ddoq.fit recipe=digits decoder.guide=MODULE:MyGuide
"""

from torch import Tensor

from ddoq.guides.guide import Targets


class MyGuide:
    """Draw each image towards its point, ever less."""

    # True if it needs all images of a class at once, in `targets.of_class` and `targets.made`.
    guides_classes = False

    def __init__(self, *, strength: float = 0.1) -> None:
        self.strength = strength

    def __call__(self, clean: Tensor, targets: Targets, done: float) -> Tensor:
        """Return the guided images, when a share `done` of the decoder's steps is over."""
        return clean + (1 - done) * self.strength * (targets.points - clean)
