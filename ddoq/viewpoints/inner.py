"""Networks trained on the set itself between the steps, as in DC and DSA (DC, algorithm 1)."""

import torch
from torch import Tensor, nn

from ddoq import keyed
from ddoq.matching.labeled import Labeled
from ddoq.matching.network import FlatNetwork
from ddoq.matching.parts import MakeBatch
from ddoq.matching.scene import View
from ddoq.matching.training import weight_gradient


class Inner(nn.Module):
    """A network that looks at `outer` steps, and is trained `inner` epochs between two of them.

    After its last step a network is replaced without being trained once more.
    """

    weights: Tensor

    def __init__(
        self,
        network: FlatNetwork,
        seed: int,
        *,
        outer: int = 1,
        inner: int = 1,
        lr: float = 0.01,
        batch_size: int = 256,
    ) -> None:
        super().__init__()
        self._network, self._seed = network, seed
        self._outer, self._inner, self._lr, self._batch_size = outer, inner, lr, batch_size
        self.register_buffer("weights", torch.zeros(network.num_weights))

    def at(self, step: int) -> View:
        """Return the network of a step, a new one where the last one has done its steps."""
        number, place = divmod(step, self._outer)
        if place == 0:
            fresh = self._network.fresh(keyed.seed_of("network", self._seed, number))
            self.weights.copy_(fresh.weights)
        return View(self.weights.clone())

    def advance(self, step: int, synthetic: MakeBatch, real: MakeBatch) -> None:
        """Train on the set as it is now, by plain SGD."""
        if (step + 1) % self._outer == 0:
            return
        for epoch in range(self._inner):
            side = synthetic(step, epoch)
            order = keyed.permutation(len(side.labels), "inner", self._seed, step, epoch)
            for rows in order.to(side.labels.device).split(self._batch_size):
                batch = Labeled(side.images[rows], side.labels[rows], side.weights[rows])
                gradient = weight_gradient(self._network, View(self.weights), batch)
                self.weights.sub_(self._lr * torch.cat([layer.flatten() for layer in gradient]))
