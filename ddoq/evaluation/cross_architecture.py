"""A callback that trains further architectures on the same set when a training ends."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from lightning import Callback, LightningModule, Trainer

from ddoq.protocols.protocol import Protocol
from ddoq.recipe.component import Block
from ddoq.synthetic import SyntheticSet

if TYPE_CHECKING:
    from ddoq.evaluation.measure import Measure
    from ddoq.run import Run


class CrossArchitecture(Callback):
    """Train further students on the same set, under the same protocol and seed.

    Their accuracies are logged as `cross/<student>/top1` and kept in `measures`. If two students
    have one name, the settings that distinguish them are part of the name.
    """

    def __init__(
        self,
        run: "Run",
        synthetic: SyntheticSet,
        students: Sequence[Block],
        protocol: Protocol,
        *,
        seed: int = 0,
    ) -> None:
        self._run, self._synthetic, self._students = run, synthetic, students
        self._protocol, self._seed = protocol, seed
        self.measures: dict[str, Measure] = {}

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Train and measure every architecture. Results that are in the cache are read from it."""
        from ddoq.evaluation.given_rows import given_entry
        from ddoq.evaluation.grid import Grid, Table
        from ddoq.evaluation.measure import measure

        row = given_entry(self._synthetic, 1, len(self._students))
        grid = Grid(self._run, [row], [Table(self._protocol)], self._students, self._seed)
        for job in grid:
            name = grid.student_name(job)
            result = self.measures[name] = measure(self._run, grid[job])
            logged = {f"cross/{name}/top1": result.top1}
            trainer.callback_metrics.update({k: torch.tensor(v) for k, v in logged.items()})
            for logger in trainer.loggers:
                logger.log_metrics(logged, step=trainer.fit_loop.total_batch_idx + 1)
