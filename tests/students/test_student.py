import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ddoq.students.convnet import ConvNet
from ddoq.students.feed import Batch, Feed
from ddoq.students.student import Student, lr_factor


class Logits(nn.Module):
    """A network whose logits are the first pixels of an image."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0, 0, :3]


class Alone:
    """As much of a Trainer as a training step asks for."""

    def __init__(self, world_size: int = 1) -> None:
        self.world_size = world_size


@pytest.fixture
def make_student(make_protocol, monkeypatch: pytest.MonkeyPatch):
    def make(world_size: int = 1, label: object = None, **changes: object) -> Student:
        protocol = make_protocol(**changes)
        options = {"num_classes": 3, "num_steps": 8, "mean": (0.0,), "std": (1.0,), "label": label}
        student = Student(Logits(), protocol, **options)
        monkeypatch.setattr(Student, "trainer", Alone(world_size))
        return student

    return make


@pytest.fixture
def batch() -> Batch:
    draw = torch.Generator().manual_seed(0)
    return Batch(
        images=torch.rand(6, 1, 3, 3, generator=draw),
        labels=torch.tensor([0, 1, 2, 0, 1, 2]),
        weights=torch.tensor([0.5, 1.0, 2.0, 0.0, 1.5, 1.0]),
        other_labels=torch.tensor([1, 1, 0, 2, 2, 2]),
        other_weights=torch.tensor([2.0, 1.0, 1.0, 0.5, 0.0, 3.0]),
        share=torch.tensor([1.0, 0.25, 0.5, 0.75, 0.1, 0.0]),
        size=12,
    )


def test_the_loss_of_mixed_hard_labels_weights_each_label_with_its_own_image(make_student, batch):
    total = 0.0
    for i in range(6):
        log_p = F.log_softmax(batch.images[i, 0, 0], 0)
        share = float(batch.share[i])
        total -= share * float(batch.weights[i]) * float(log_p[batch.labels[i]])
        other = (1 - share) * float(batch.other_weights[i])
        total -= other * float(log_p[batch.other_labels[i]])
    loss = make_student().training_step(batch, 0)
    assert float(loss) == pytest.approx(total / 12, rel=1e-5)


def test_the_loss_of_soft_labels_weights_the_mixed_image(make_student, batch):
    teacher = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    student = make_student(label=lambda _: teacher, labels="soft", loss="kl", temperature=2.0)
    total = 0.0
    for i in range(6):
        p, log_q = F.softmax(teacher[i] / 2, 0), F.log_softmax(batch.images[i, 0, 0] / 2, 0)
        share = float(batch.share[i])
        weight = share * float(batch.weights[i]) + (1 - share) * float(batch.other_weights[i])
        total += weight * float((p * (p.log() - log_q)).sum())
    assert float(student.training_step(batch, 0)) == pytest.approx(total / 12, rel=1e-5)


def test_the_teacher_labels_the_image_as_the_student_sees_it(make_student, batch):
    seen = []
    student = make_student(
        label=lambda x: seen.append(x) or torch.zeros(6, 3), labels="soft", loss="soft_ce"
    )
    student.training_step(batch, 0)
    assert torch.equal(seen[0], batch.images)


def test_ranks_multiply_their_loss_because_gradients_are_averaged(make_student, batch):
    alone = float(make_student(1).training_step(batch, 0))
    assert float(make_student(4).training_step(batch, 0)) == pytest.approx(4 * alone)


def test_weights_of_one_are_the_unweighted_loss_bit_for_bit(make_student, batch):
    ones = torch.ones(6)
    plain = Batch(batch.images, batch.labels, ones, batch.labels, ones, ones, 6)
    loss = make_student().training_step(plain, 0)
    losses = F.cross_entropy(batch.images[:, 0, 0], batch.labels, reduction="none")
    assert float(loss) == float(losses.mean())


def test_images_are_normalized_for_the_network(make_protocol):
    options = {"num_classes": 3, "num_steps": 8, "mean": (0.5,), "std": (0.25,)}
    student = Student(Logits(), make_protocol(), **options)
    assert student(torch.ones(1, 1, 3, 3)).tolist() == [[2.0, 2.0, 2.0]]


@pytest.mark.parametrize(
    ("changes", "progress", "factor"),
    [
        ({"schedule": "constant"}, 0.9, 1.0),
        ({"schedule": "cosine"}, 0.0, 1.0),
        ({"schedule": "cosine"}, 0.5, 0.5),
        ({"schedule": "cosine"}, 1.0, 0.0),
        ({"schedule": "cosine", "warmup": 0.2}, 0.6, 0.5),
        ({"schedule": "cosine", "warmup": 0.2}, 0.2, 1.0),
        ({"schedule": "cosine", "warmup": 0.2}, 0.1, 0.5),
        ({"schedule": "step", "decay": 0.2}, 0.5, 1.0),
        ({"schedule": "step", "decay": 0.2}, 2 / 3, 0.2),
        ({"schedule": "step", "decay": 0.2}, 0.9, 0.04),
        ({"schedule": "step", "milestones": [0.5], "decay": 0.1}, 0.9, 0.1),
    ],
)
def test_the_learning_rate_follows_the_schedule(make_protocol, changes, progress, factor):
    assert lr_factor(make_protocol(**changes), progress) == pytest.approx(factor, abs=5e-3)


def test_the_learning_rate_may_be_the_students_own(make_protocol):
    protocol = make_protocol(lr=0.1, lr_of={"small": 0.3})
    rates = []
    for name in ("small", "large"):
        net = ConvNet(2, 1, 8, depth=1, width=2)
        options = {"num_classes": 2, "num_steps": 4, "mean": (0.0,), "std": (1.0,)}
        made = Student(net, protocol, name=name, **options).configure_optimizers()
        rates.append(made["optimizer"].param_groups[0]["initial_lr"])
    assert rates == [0.3, 0.1]


def test_biases_and_norms_are_not_decayed(make_protocol):
    net = ConvNet(2, 1, 8, depth=1, width=2)
    options = {"num_classes": 2, "num_steps": 4, "mean": (0.0,), "std": (1.0,)}
    student = Student(net, make_protocol(weight_decay=0.3), **options)
    decayed, rest = student.configure_optimizers()["optimizer"].param_groups
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.3, 0.0)
    assert {p.ndim for p in decayed["params"]} == {2, 4}
    assert {p.ndim for p in rest["params"]} == {1}


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_small_student_learns_two_classes(tiny_images, make_protocol, make_trainer, optimizer):
    torch.manual_seed(0)
    protocol = make_protocol(steps=40, batch_size=16, lr=0.01, optimizer=optimizer)
    synthetic = tiny_images.subset(torch.arange(48))
    feed = Feed(synthetic, protocol, 0, 8, torch.device("cpu"))
    net = ConvNet(2, 1, 8, depth=2, width=4)
    options = {"num_classes": 2, "num_steps": len(feed), "mean": (0.5,), "std": (0.25,)}
    student, trainer = Student(net, protocol, **options), make_trainer()
    trainer.fit(student, feed)
    [result] = trainer.test(student, tiny_images.batches("test"), verbose=False)
    assert result["test/top1"] > 0.9
    assert result["test/loss"] < math.log(2)


def test_the_measure_is_that_of_all_test_images_unweighted(
    tiny_images, make_protocol, make_trainer
):
    net = ConvNet(2, 1, 8, depth=2, width=4)
    options = {"num_classes": 2, "num_steps": 1, "mean": (0.5,), "std": (0.25,)}
    student = Student(net, make_protocol(), **options).eval()
    tiny_images._batch_size = 7
    [result] = make_trainer().test(student, tiny_images.batches("test"), verbose=False)
    with torch.no_grad():
        logits = student(tiny_images.pixels("test").float() / 255)
    labels = tiny_images.test.labels
    assert result["test/top1"] == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
    assert result["test/loss"] == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-5)
