"""Images that tell more are drawn more often, and weigh less for it."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ddoq.matching.labeled import Labeled, class_means
from ddoq.matching.network import FlatNetwork
from ddoq.matching.scene import View

_AT_ONCE = 512


def shares(scores: Float[Tensor, " n"], floor: float) -> Float[Tensor, " n"]:
    """Return the probabilities (1 - floor) score / sum + floor / n. They sum to 1."""
    total = scores.sum()
    even = torch.full_like(scores, 1 / len(scores))
    return even if total <= 0 else (1 - floor) * scores / total + floor * even


class Importance(nn.Module):
    """Draw in proportion to a score, with replacement, and weigh by 1 / (n p).

    A weighted sum over a batch then has the expectation of the plain one. The score is the `loss`
    of an image in the network of the step, or the `distance` of its features from its class's mean;
    it is renewed every `every` steps. The idea is that of provable subset selection; its constants
    are not published, and these are ours.
    """

    scores: Tensor

    def __init__(
        self,
        num_images: int,
        *,
        score: Literal["loss", "distance"] = "loss",
        floor: float = 0.5,
        every: int = 100,
    ) -> None:
        super().__init__()
        self._score, self._floor, self._every = score, floor, every
        self.register_buffer("scores", torch.ones(num_images))

    def draw(
        self, members: Int[Tensor, " n"], number: int, generator: torch.Generator
    ) -> tuple[Int[Tensor, " m"], Float[Tensor, " m"]]:
        """Return some of a class's images, perhaps several times, with their weights."""
        # On the host, so that the draw is the same on every device.
        chances = shares(self.scores.cpu()[members], self._floor)
        count = min(number, len(members))
        places = torch.multinomial(chances, count, replacement=True, generator=generator)
        return members[places], 1 / (len(members) * chances[places])

    @torch.no_grad()
    def renew(
        self, step: int, network: FlatNetwork, view: View, plain: Callable[[Tensor], Labeled]
    ) -> None:
        """Score all real images through the network of a step."""
        if step % self._every:
            return
        parts = [plain(rows) for rows in torch.arange(len(self.scores)).split(_AT_ONCE)]
        if self._score == "loss":
            found = [
                F.cross_entropy(network.logits(view, p.images), p.labels, reduction="none")
                for p in parts
            ]
            self.scores.copy_(torch.cat(found))
            return
        features = torch.cat([network.features(view, p.images) for p in parts])
        labels = torch.cat([p.labels for p in parts])
        classes, of_class = labels.unique(return_inverse=True)
        means = class_means(features, labels, features.new_ones(len(labels)), classes)
        self.scores.copy_((features - means[of_class]).norm(dim=1))
