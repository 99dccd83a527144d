"""Does a training of several optimizers go through the same loop?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule
from torch import Tensor, nn

from ddoq import recipe
from ddoq.display.console import StageBar
from ddoq.errors import IntegrityError
from ddoq.evaluation.evaluations import Evaluations
from ddoq.run import Run
from ddoq.training import loop, resume
from ddoq.training.progress import Progress
from ddoq.training.steps import Steps


class TwoRates(LightningModule):
    """Numbers and a scale, learned by an optimizer each; noise makes random numbers matter."""

    def __init__(self, breaks_at: int | None = None) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.numbers, self.scale = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(()))
        self.breaks_at = breaks_at

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) * self.scale

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        noise = nn.functional.dropout(torch.ones(3), 0.5)
        loss = (self.scale * self.numbers * noise - batch).square().mean()
        optimizers = self.optimizers()
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in optimizers:
            optimizer.step()
        return loss.detach() * (torch.nan if batch_idx == self.breaks_at else 1.0)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam([self.numbers]), torch.optim.SGD([self.scale], 0.01, 0.9)]


@pytest.fixture
def fit(tmp_path: Path, monkeypatch) -> Callable[..., tuple[Any, ...]]:
    """Return a function that trains for 12 steps in a folder: the module, its losses, and so on."""
    monkeypatch.setattr(resume, "EVERY_SECONDS", 0.0)
    run = Run(recipe.read(["recipe=digits", f"cache={tmp_path / 'cache'}"]).recipe)

    def train(name: str, *callbacks: Callback, breaks_at: int | None = None) -> tuple[Any, ...]:
        torch.manual_seed(0)
        (tmp_path / name).mkdir(exist_ok=True)
        module, bar = TwoRates(breaks_at), StageBar(lambda done: None)
        test = [(torch.eye(3), torch.arange(3))]
        shown = Progress(bar, by=10), Evaluations([3, 9], lambda: test), *callbacks
        steps = Steps(lambda step: torch.full((3,), float(step)), 12)
        trained = loop.train(run, module, "two", tmp_path / name, *shown, train_dataloaders=steps)
        return module, trained.losses, shown[1].accuracies, bar.done

    return train


@pytest.mark.parametrize("step", [1, 7, 11])
def test_two_optimizers_are_stopped_and_go_on_bit_for_bit(fit, stopped_at, step) -> None:
    whole, losses, accuracies, done = fit("whole")
    with stopped_at(step):
        fit("stopped")
    again, same_losses, same_accuracies, done_again = fit("stopped")
    assert (done, done_again) == (120, 120)
    assert torch.equal(losses, same_losses)
    assert accuracies == same_accuracies == [1.0, 1.0]
    assert torch.equal(
        torch.cat([*map(torch.Tensor.flatten, whole.parameters())]),
        torch.cat([*map(torch.Tensor.flatten, again.parameters())]),
    )


def test_the_guard_names_the_step_and_not_the_number_of_updates(fit) -> None:
    with pytest.raises(IntegrityError, match="not finite at step 12"):
        fit("broken", breaks_at=11)
