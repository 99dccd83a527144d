"""The agreement of a training's ranks: all do the same after the same step, whoever asks."""

from typing import TYPE_CHECKING, Any

from ddoq.processes.world import World

if TYPE_CHECKING:
    from torch import Tensor


class Agreement:
    """The largest of the ranks' wishes at each step. It is known after the next step.

    It is exchanged on the host while the ranks compute, so no rank waits for it.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._sent: Tensor | None = None
        self._work: Any = None

    def after_step(self, wish: int) -> int:
        """Send a wish, or 0, to the others. Return what was agreed on, the same on every rank."""
        if self._world.size == 1:
            return wish
        import torch
        import torch.distributed as dist

        agreed = self.settle()
        self._sent = torch.tensor([wish])
        self._work = dist.all_reduce(
            self._sent, dist.ReduceOp.MAX, group=self._world.on_host, async_op=True
        )
        return agreed

    def settle(self) -> int:
        """Return the last agreement, which is not known yet."""
        if self._sent is None:
            return 0
        self._work.wait()
        agreed, self._sent = int(self._sent), None
        return agreed
