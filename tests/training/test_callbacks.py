"""Do the callbacks see what they are there to see?"""

import pytest
import torch
from lightning import LightningModule

import ddoq
from ddoq import recipe
from ddoq.data.preprocessing import Normalize
from ddoq.errors import IntegrityError
from ddoq.evaluation.cross_architecture import CrossArchitecture
from ddoq.run import Run
from ddoq.students.convnet import ConvNet
from ddoq.students.feed import Feed
from ddoq.students.student import Student
from ddoq.training.finite_guard import FiniteGuard


class Diverging(LightningModule):
    """A training whose loss is NaN from step 3 on."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return (self.weight * (float("nan") if batch_idx >= 3 else 1.0)).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(recipe.read(["recipe=digits", "protocol=[{name: small_hard, steps: 60}]"]).recipe)


def test_a_loss_that_is_not_a_number_stops_the_training(run: Run) -> None:
    trainer = run.trainer(max_epochs=1, callbacks=[FiniteGuard("here", every=1)])
    with pytest.raises(IntegrityError, match="here: the loss is not finite at step 4"):
        trainer.fit(Diverging(), torch.zeros(10, 1))


def test_other_architectures_are_trained_when_a_training_ends(run: Run) -> None:
    protocol = run.make("protocol", run.recipe.protocols[0])
    synthetic = ddoq.distill("digits", "decoder=plain")
    sizes = {"num_classes": 10, "channels": 1, "image_size": 8}
    student = Student(
        ConvNet(**sizes, depth=2, width=8),
        protocol,
        num_classes=10,
        num_steps=60,
        preprocessing=Normalize((0.3,), (0.4,)),
    )
    convnet = {"name": "convnet", "width": 8}
    others = [{**convnet, "depth": d} for d in (1, 2)] + [{"name": "timm/test_efficientnet"}]
    cross = CrossArchitecture(run, synthetic, others, protocol)
    trainer = run.trainer(max_epochs=1, callbacks=[cross])
    feed = Feed(
        synthetic=synthetic,
        protocol=protocol,
        seed=0,
        size=8,
        preprocessing=Normalize((0.3,), (0.4,)),
        device=torch.device("cpu"),
    )
    trainer.fit(student, feed)
    both = [f"convnet(depth={d})" for d in (1, 2)]
    assert list(cross.measures) == [*both, "timm/test_efficientnet"]
    for name in both:
        logged = trainer.callback_metrics[f"cross/{name}/top1"]
        assert float(logged) == pytest.approx(cross.measures[name].top1)
        assert float(logged) > 0.3


def test_the_last_step_is_always_looked_at(run: Run) -> None:
    trainer = run.trainer(max_epochs=1, callbacks=[FiniteGuard("here", every=1000)])
    with pytest.raises(IntegrityError, match="at step 5"):
        trainer.fit(Diverging(), torch.zeros(5, 1))
