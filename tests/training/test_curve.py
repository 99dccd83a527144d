"""Is every step's loss kept, however they are fetched?"""

import pytest
import torch

from ddoq.training import curve
from ddoq.training.curve import LossCurve


def told(losses: list[float], seen: LossCurve, trainer, module) -> LossCurve:
    for number, loss in enumerate(losses):
        seen.on_train_batch_end(trainer, module, {"loss": torch.tensor(loss)}, None, number)
    return seen


@pytest.fixture
def shells(make_trainer):
    from lightning import LightningModule

    return make_trainer(), LightningModule()


@pytest.mark.parametrize("fetched", [1, 3, 1000])
def test_losses_stay_in_order(monkeypatch, shells, fetched: int):
    monkeypatch.setattr(curve, "_FETCHED", fetched)
    losses = [0.5, 0.25, 4.0, 2.0, 1.0, 0.125, 8.0]
    assert told(losses, LossCurve(), *shells).losses.tolist() == losses


def test_a_curve_goes_on_behind_its_state(shells):
    first = told([3.0, 2.0], LossCurve(), *shells)
    second = LossCurve()
    second.load_state_dict(first.state_dict())
    assert told([1.0], second, *shells).losses.tolist() == [3.0, 2.0, 1.0]


def test_without_steps_there_are_no_losses():
    assert LossCurve().losses.shape == (0,)
