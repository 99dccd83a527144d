"""Gradient matching (Zhao, Mopuri and Bilen 2021, DC): both sets are to train a network alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ddoq.matching.scene import Scene
from ddoq.matching.training import weight_gradient

# Added to the product of two norms, as in the code of the paper.
_EPSILON = 1e-6


def layer_cosine(
    a: Sequence[Tensor], b: Sequence[Tensor], *, epsilon: float = _EPSILON
) -> Float[Tensor, ""]:
    """Return the sum over layers and output rows of 1 - cos (DC, equation 10).

    A row holds the weights of one output. Biases and the vectors of norms are left out, as in the
    paper's code.
    """
    parts: list[Tensor] = []
    for x, y in zip(a, b, strict=True):
        if x.ndim < 2:
            continue
        x, y = x.flatten(1), y.flatten(1)
        norms = _norm(x) * _norm(y) + epsilon
        parts.append((1 - (x * y).sum(1) / norms).sum())
    return torch.stack(parts).sum()


def _norm(rows: Float[Tensor, "rows n"]) -> Float[Tensor, " rows"]:
    """Return the norms, whose gradient at 0 is 0 instead of NaN."""
    squares = rows.square().sum(1)
    is_zero = squares == 0
    return torch.where(is_zero, 0.0, torch.where(is_zero, 1.0, squares).sqrt())


@dataclass(frozen=True, kw_only=True)
class GradientDistance:
    """DC's distance between the gradients of each class's loss by the weights."""

    # Without an annotation, as it is no setting.
    takes_classes_apart = True

    epsilon: float = _EPSILON

    def loss(self, scene: Scene) -> Float[Tensor, ""]:
        """Return the sum over the classes."""
        network, view = scene.network, scene.view
        real, synthetic = scene.real(), scene.synthetic()
        losses: list[Tensor] = []
        for label in scene.classes.tolist():
            wanted = weight_gradient(network, view, real.of_class(label))
            found = weight_gradient(network, view, synthetic.of_class(label), create_graph=True)
            losses.append(layer_cosine(found, wanted, epsilon=self.epsilon))
        return torch.stack(losses).sum()
