"""A queue of networks that are trained on real images, as in IDM (Zhao et al. 2023)."""

import torch
from torch import Tensor, nn

from ddoq import keyed
from ddoq.matching.labeled import Labeled
from ddoq.matching.network import FlatNetwork
from ddoq.matching.parts import MakeBatch
from ddoq.matching.scene import View
from ddoq.matching.training import cross_entropy


class Queue(nn.Module):
    """Up to `most` networks, each a little further trained, and one of them looks at a step.

    `begin_with` new ones are there at the first step, and one joins every `every` steps, in place
    of the oldest if the queue is full. After each step, `members` random ones are trained for
    `train_steps` batches. A network's trust is its accuracy on all batches so far, as a fraction.
    """

    weights: Tensor
    momenta: Tensor
    told: Tensor

    def __init__(
        self,
        network: FlatNetwork,
        seed: int,
        num_steps: int,
        *,
        begin_with: int = 4,
        every: int = 30,
        most: int = 100,
        members: int = 2,
        train_steps: int = 10,
        lr: float = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        batch_size: int = 256,
    ) -> None:
        super().__init__()
        self._network, self._seed, self._every = network, seed, every
        self._members, self._train_steps, self._batch_size = members, train_steps, batch_size
        self._lr, self._momentum, self._weight_decay = lr, momentum, weight_decay
        # A short run never fills the queue.
        self._most = min(most, begin_with - 1 + -(-num_steps // every))
        self._first = min(begin_with, self._most)
        shape = self._most, network.num_weights
        self.register_buffer("weights", torch.zeros(shape))
        self.register_buffer("momenta", torch.zeros(shape))
        # Images told right, and all images, of each network's training.
        self.register_buffer("told", torch.zeros(self._most, 2))

    def at(self, step: int) -> View:
        """Return a random member."""
        number, place = divmod(step, self._every)
        if place == 0:
            for joined in range(self._first) if number == 0 else [number + self._first - 1]:
                self._push(joined)
        [member] = self._chosen(1, "view", step)
        right, total = self.told[member].tolist()
        return View(self.weights[member].clone(), trust=right / total if total else 0.0)

    def _push(self, number: int) -> None:
        slot = number % self._most
        fresh = self._network.fresh(keyed.seed_of("network", self._seed, number))
        self.weights[slot] = fresh.weights
        self.momenta[slot] = 0
        self.told[slot] = 0

    def _chosen(self, count: int, *purpose: int | str) -> list[int]:
        """Draw distinct members of those that are there in a step, the purpose's last word."""
        present = min(int(purpose[-1]) // self._every + self._first, self._most)
        return keyed.permutation(present, "queue", self._seed, *purpose)[:count].tolist()

    def advance(self, step: int, synthetic: MakeBatch, real: MakeBatch) -> None:
        """Train some members on real images."""
        for member in self._chosen(self._members, "train", step):
            for number in range(self._train_steps):
                self._train(member, real(self._batch_size, step, member, number))

    def _train(self, member: int, batch: Labeled) -> None:
        weights = self.weights[member].clone().requires_grad_(True)
        with torch.enable_grad():
            logits = self._network.logits(View(weights), batch.images)
            [gradient] = torch.autograd.grad(cross_entropy(logits, batch), weights)
        with torch.no_grad():
            self.told[member, 0] += (logits.argmax(1) == batch.labels).sum()
            self.told[member, 1] += len(batch.labels)
            gradient = gradient + self._weight_decay * weights
            self.momenta[member] = self._momentum * self.momenta[member] + gradient
            self.weights[member] -= self._lr * self.momenta[member]
