from typing import Any

import pytest
import torch
from lightning import LightningModule
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import nn

from ddoq.data.preprocessing import Normalize
from ddoq.evaluation.evaluations import Evaluations, evaluation_steps
from ddoq.students.convnet import ConvNet
from ddoq.students.feed import Feed
from ddoq.students.student import Student


@pytest.mark.parametrize(
    ("settings", "num_steps", "steps"),
    [
        ({}, 10, []),
        ({"evaluations": 1}, 10, [5]),
        ({"evaluations": 4}, 10, [2, 4, 6, 8]),
        ({"evaluations": 9}, 10, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        # RDED: in the last fifth every ten of 300 epochs, the end left out.
        ({"evaluations": 5, "evaluate_after": 0.8}, 300, [250, 260, 270, 280, 290]),
        # More than there are steps: each but the last, once.
        ({"evaluations": 100}, 4, [1, 2, 3]),
        ({"evaluations": 3}, 1, []),
    ],
)
def test_evaluations_are_spread_evenly_over_what_is_left(make_protocol, settings, num_steps, steps):
    assert evaluation_steps(make_protocol(**settings), num_steps) == steps


class Drifting(LightningModule):
    """Images are numbers; those below a threshold, which rises by 1 a step, are of class 1."""

    def __init__(self) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.zeros(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        above = images.flatten() - self.threshold + 0.5
        return torch.stack([above, torch.zeros_like(above)], 1)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return -self.threshold

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


def below_five(size: int = 3) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The numbers 0 to 9, those below 5 of class 1, in batches of some size."""
    numbers = torch.arange(10.0)[:, None, None, None]
    return list(zip(numbers.split(size), (numbers < 5).long().flatten().split(size), strict=True))


@pytest.mark.parametrize(
    ("steps", "accuracies", "best"),
    [
        ([2, 5, 8], [0.7, 1.0, 0.7], 5.0),
        ([2, 4], [0.7, 0.9], 4.0),
        ([6, 9], [0.9, 0.6], 6.0),
        # Of equally good states the first.
        ([4, 6], [0.9, 0.9], 4.0),
    ],
)
def test_the_best_state_is_kept(make_trainer, steps, accuracies, best):
    evaluations = Evaluations(steps, below_five)
    make_trainer(callbacks=[evaluations]).fit(Drifting(), torch.zeros(9, 1))
    assert evaluations.accuracies == pytest.approx(accuracies)
    assert float(evaluations.best["threshold"]) == best


def test_the_best_state_is_not_the_networks_own_memory(make_trainer):
    module, evaluations = Drifting(), Evaluations([5], below_five)
    make_trainer(callbacks=[evaluations]).fit(module, torch.zeros(9, 1))
    assert module.threshold.tolist() == 9.0
    assert float(evaluations.best["threshold"]) == 5.0


def test_without_a_step_nothing_is_measured(make_trainer):
    evaluations = Evaluations([], below_five)
    make_trainer(callbacks=[evaluations]).fit(Drifting(), torch.zeros(4, 1))
    assert evaluations.accuracies == []
    assert evaluations.best is None


@pytest.mark.parametrize("size", [1, 3, 4, 10])
def test_each_image_is_counted_once_in_batches_of_any_size(make_trainer, size):
    evaluations = Evaluations([3], lambda: below_five(size))
    make_trainer(callbacks=[evaluations]).fit(Drifting(), torch.zeros(4, 1))
    assert evaluations.accuracies == pytest.approx([0.8])


class Sums(SingleDeviceStrategy):
    """A strategy that remembers what its rank gives to a sum over ranks."""

    given: torch.Tensor

    def reduce(self, tensor: torch.Tensor, *_: Any, reduce_op: str, **__: Any) -> torch.Tensor:
        assert reduce_op == "sum"
        self.given = tensor
        return tensor


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_add_up_to_all_images(tiny_images, make_protocol, make_trainer, ranks):
    torch.manual_seed(0)
    options = {"num_classes": 2, "num_steps": 1, "preprocessing": Normalize((0.5,), (0.25,))}
    student = Student(ConvNet(2, 1, 8, depth=1, width=2), make_protocol(), **options)
    tiny_images._batch_size = 7
    total = torch.zeros(2)
    for rank in range(ranks):
        strategy = Sums("cpu")
        part = tiny_images.batches("test", rank=rank, world_size=ranks)
        Evaluations([], lambda part=part: part).measure(make_trainer(strategy=strategy), student)
        total += strategy.given
    with torch.no_grad():
        predicted = student(tiny_images.pixels("test").float() / 255).argmax(1)
    right = int((predicted == tiny_images.test.labels).sum())
    assert total.tolist() == [right, 40]


@pytest.mark.parametrize("steps", [[], [1, 4, 6]])
def test_a_measure_leaves_no_trace_in_the_training(tiny_images, make_protocol, make_trainer, steps):
    def trained(callbacks: list[Evaluations]) -> nn.Module:
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.BatchNorm2d(1), nn.Dropout(0.5), ConvNet(2, 1, 8, depth=1, width=2, norm="batch")
        )
        protocol = make_protocol(batch_size=16)
        sizes = {
            "size": 8,
            "preprocessing": Normalize((0.5,), (0.25,)),
            "device": torch.device("cpu"),
        }
        feed = Feed(synthetic=tiny_images.whole(), protocol=protocol, seed=0, **sizes)
        options = {"num_classes": 2, "num_steps": 8, "preprocessing": Normalize((0.5,), (0.25,))}
        student = Student(net, protocol, **options)
        make_trainer(callbacks=callbacks).fit(student, feed)
        return net

    evaluations = Evaluations(steps, lambda: tiny_images.batches("test"))
    measured, plain = trained([evaluations]).state_dict(), trained([]).state_dict()
    assert len(evaluations.accuracies) == len(steps)
    assert all(torch.equal(plain[k], measured[k]) for k in plain)
