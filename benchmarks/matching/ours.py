"""Steps of a learned set, by Lightning's Trainer and with the guard, as a run takes them."""

import sys
import tempfile
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from benchmarks.matching.options import AUGMENTATION, RATES, Options
from benchmarks.matching.pace import Pace
from ddoq import command, recipe
from ddoq.display.console import Console
from ddoq.distillers.learned import Learned
from ddoq.evaluation.rows import made_of
from ddoq.recipe import arguments
from ddoq.run import Run
from ddoq.training.curve import LossCurve
from ddoq.training.finite_guard import FiniteGuard
from ddoq.training.steps import Steps


class Paced(Callback):
    """Comes to each step at a pace."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Come to a step."""
        self._pace.at(batch_idx)


def main(argv: list[str]) -> None:
    """Take the steps."""
    asked = arguments.read(Options, argv, "ours")
    with tempfile.TemporaryDirectory() as cache:
        run = _opened(asked, cache)
        made = made_of(run.recipe.distiller, run.recipe.decoder, run.recipe.weighting)
        assert isinstance(made, Learned)
        loop = made.loop(run, 0)
        pace, number = Pace(asked.steps), asked.steps * (1 + asked.rounds)
        callbacks = [FiniteGuard("learn"), Paced(pace), LossCurve()]
        trainer = run.trainer(max_epochs=1, callbacks=callbacks)
        trainer.fit(loop, train_dataloaders=Steps(int, number))
        pace.end(number)


def _opened(asked: Options, cache: str) -> Run:
    """Return the run of a recipe with the settings of the comparison."""
    viewpoint = f", viewpoint: {{name: inner, outer: {asked.outer}, inner: {asked.inner}}}"
    settings = (
        f"name: {asked.method}, images_per_class: {asked.images_per_class}, "
        f"batch_size: {asked.batch_size}, lr: {RATES[asked.method]}, augmentation: {AUGMENTATION}"
        f"{viewpoint if asked.outer and asked.method == 'dsa' else ''}"
    )
    words = [
        "recipe=digits",
        "data={name: 'benchmarks.matching.noise:Noise'}",
        "decoder=plain",
        f"students=[{{name: convnet, depth: 3, width: {asked.width}}}]",
        f"distiller={{{settings}}}",
        f"threads={asked.threads}",
        f"cache={cache}",
    ]
    run = Run(recipe.read(words).recipe, Console(is_silent=True))
    torch.set_num_threads(asked.threads)
    return run


if __name__ == "__main__":
    command.run(main, sys.argv[1:])
