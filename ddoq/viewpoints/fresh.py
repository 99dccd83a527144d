"""New random networks, as in DM: features of networks that were never trained."""

from torch import nn

from ddoq import keyed
from ddoq.matching.network import FlatNetwork
from ddoq.matching.parts import MakeBatch
from ddoq.matching.scene import View


class Fresh(nn.Module):
    """A new random network every so many steps."""

    def __init__(self, network: FlatNetwork, seed: int, *, every: int = 1) -> None:
        super().__init__()
        self._network, self._seed, self._every = network, seed, every
        self._last: tuple[int, View] | None = None

    def at(self, step: int) -> View:
        """Return the network of a step."""
        number = step // self._every
        if self._last is None or self._last[0] != number:
            self._last = number, self._network.fresh(keyed.seed_of("network", self._seed, number))
        return self._last[1]

    def advance(self, step: int, synthetic: MakeBatch, real: MakeBatch) -> None:
        """Train nothing."""
