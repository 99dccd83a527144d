"""Distribution matching (Zhao and Bilen 2023, DM): classes' mean features are to be equal."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ddoq.matching.labeled import Labeled, class_means
from ddoq.matching.scene import Scene


def feature_mean(
    real: tuple[Float[Tensor, "n dim"], Labeled],
    synthetic: tuple[Float[Tensor, "m dim"], Labeled],
    classes: Int[Tensor, " k"],
) -> Float[Tensor, " k"]:
    """Return |mean of real features - mean of synthetic ones|^2 of each class (DM, equation 4)."""
    means = [class_means(x, side.labels, side.weights, classes) for x, side in (real, synthetic)]
    return (means[0] - means[1]).square().sum(1)


@dataclass(frozen=True, kw_only=True)
class FeatureMean:
    """DM's loss and, if asked for, IDM's: networks that know the classes are to tell them too."""

    cross_entropy: float = 0.0
    """The factor of the synthetic images' cross entropy, times the network's own accuracy."""

    def loss(self, scene: Scene) -> Float[Tensor, ""]:
        """Return the sum over the classes."""
        real, synthetic = scene.real(), scene.synthetic()
        with torch.no_grad():
            of_real = scene.features(real)
        of_synthetic = scene.features(synthetic)
        loss = feature_mean((of_real, real), (of_synthetic, synthetic), scene.classes).sum()
        factor = self.cross_entropy * scene.view.trust
        if factor == 0:
            return loss
        logits = scene.network.logits(scene.view, synthetic.images)
        losses = F.cross_entropy(logits, synthetic.labels, reduction="none")[:, None]
        of_classes = class_means(losses, synthetic.labels, synthetic.weights, scene.classes)
        return loss + factor * of_classes.sum()
