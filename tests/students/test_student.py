import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from lightning import Callback, LightningModule, Trainer
from torch import nn

from ddoq.data.preprocessing import Normalize
from ddoq.protocols.presets import PRESETS
from ddoq.protocols.protocol import Protocol
from ddoq.students.convnet import ConvNet
from ddoq.students.feed import Batch, Feed
from ddoq.students.student import Student, lr_factor
from ddoq.synthetic import SyntheticSet


class Logits(nn.Module):
    """A network whose logits are the first pixels of an image."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0, 0, :3]


class Alone:
    """As much of a Trainer as a training step asks for."""

    def __init__(self, world_size: int = 1) -> None:
        self.world_size = world_size


def make_feed(synthetic: SyntheticSet, protocol: Protocol) -> Feed:
    sizes = {"size": 8, "preprocessing": Normalize((0.5,), (0.25,)), "device": torch.device("cpu")}
    return Feed(synthetic=synthetic, protocol=protocol, seed=0, **sizes)


@pytest.fixture
def make_student(make_protocol, monkeypatch: pytest.MonkeyPatch):
    def make(world_size: int = 1, label: object = None, **changes: object) -> Student:
        protocol = make_protocol(**changes)
        options = {
            "num_classes": 3,
            "num_steps": 8,
            "preprocessing": Normalize((0.0,), (1.0,)),
            "label": label,
        }
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
    options = {"num_classes": 3, "num_steps": 8, "preprocessing": Normalize((0.5,), (0.25,))}
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
        ({"schedule": "half_cosine"}, 0.0, 1.0),
        ({"schedule": "half_cosine"}, 0.5, 0.5 + 0.5 * math.sqrt(0.5)),
        ({"schedule": "half_cosine"}, 1.0, 0.5),
        ({"schedule": "linear"}, 0.25, 0.75),
        ({"schedule": "linear"}, 1.0, 0.0),
        ({"schedule": "linear", "last_factor": 0.5}, 0.0, 1.0),
        ({"schedule": "linear", "last_factor": 0.5}, 0.5, 0.75),
        ({"schedule": "linear", "last_factor": 0.5}, 1.0, 0.5),
    ],
)
def test_the_learning_rate_follows_the_schedule(make_protocol, changes, progress, factor):
    assert lr_factor(make_protocol(**changes), progress) == pytest.approx(factor, abs=5e-3)


def rates(protocol: Protocol, **options: int) -> list[float]:
    """The learning rate at each step of a training."""
    sizes = {"num_classes": 2, "preprocessing": Normalize((0.0,), (1.0,)), **options}
    student = Student(ConvNet(2, 1, 8, depth=1, width=2), protocol, **sizes)
    factors = student.configure_optimizers()["lr_scheduler"]["scheduler"].lr_lambdas
    return [factors[0](step) for step in range(options["num_steps"])]


def test_a_schedule_moves_at_every_step(make_protocol):
    protocol = make_protocol(schedule="linear")
    expected = [1 - step / 9 for step in range(9)]
    assert rates(protocol, num_steps=9, steps_per_epoch=3) == pytest.approx(expected)


def test_a_schedule_per_epoch_stays_for_an_epoch(make_protocol):
    protocol = make_protocol(schedule="cosine", schedule_per="epoch")
    found = rates(protocol, num_steps=11, steps_per_epoch=3)
    expected = [0.5 + 0.5 * math.cos(math.pi * 3 * (step // 3) / 11) for step in range(11)]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("epochs", [3000, 2000, 1500, 1000, 600])
def test_minimaxs_rate_falls_when_two_thirds_of_the_epochs_are_over(make_protocol, epochs: int):
    protocol = make_protocol(schedule="step", schedule_per="epoch")
    found = rates(protocol, num_steps=2 * epochs, steps_per_epoch=2)
    first, second = 2 * math.ceil(2 * epochs / 3), 2 * math.ceil(5 * epochs / 6)
    assert found.index(pytest.approx(0.2)) == first
    assert found.index(pytest.approx(0.04)) == second


def test_dcs_rate_falls_after_502_of_its_1001_epochs():
    found = rates(PRESETS["dc"], num_steps=3 * 1001, steps_per_epoch=3)
    assert found == pytest.approx([1.0] * 3 * 502 + [0.1] * 3 * 499)


def test_the_learning_rate_may_be_the_students_own(make_protocol):
    protocol = make_protocol(lr=0.1, lr_of={"small": 0.3})
    rates = []
    for name in ("small", "large"):
        net = ConvNet(2, 1, 8, depth=1, width=2)
        options = {"num_classes": 2, "num_steps": 4, "preprocessing": Normalize((0.0,), (1.0,))}
        made = Student(net, protocol, name=name, **options).configure_optimizers()
        rates.append(made["optimizer"].param_groups[0]["initial_lr"])
    assert rates == [0.3, 0.1]


def test_biases_and_norms_are_not_decayed(make_protocol):
    net = ConvNet(2, 1, 8, depth=1, width=2)
    options = {"num_classes": 2, "num_steps": 4, "preprocessing": Normalize((0.0,), (1.0,))}
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
    feed = make_feed(synthetic, protocol)
    net = ConvNet(2, 1, 8, depth=2, width=4)
    options = {
        "num_classes": 2,
        "num_steps": len(feed),
        "preprocessing": Normalize((0.5,), (0.25,)),
    }
    student, trainer = Student(net, protocol, **options), make_trainer()
    trainer.fit(student, feed)
    [result] = trainer.test(student, tiny_images.batches("test"), verbose=False)
    assert result["test/top1"] > 0.9
    assert result["test/loss"] < math.log(2)


def test_the_measure_is_that_of_all_test_images_unweighted(
    tiny_images, make_protocol, make_trainer
):
    net = ConvNet(2, 1, 8, depth=2, width=4)
    options = {"num_classes": 2, "num_steps": 1, "preprocessing": Normalize((0.5,), (0.25,))}
    student = Student(net, make_protocol(), **options).eval()
    tiny_images._batch_size = 7
    [result] = make_trainer().test(student, tiny_images.batches("test"), verbose=False)
    with torch.no_grad():
        logits = student(tiny_images.pixels("test").float() / 255)
    labels = tiny_images.test.labels
    assert result["test/top1"] == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
    assert result["test/loss"] == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-5)


@pytest.mark.parametrize("decayed", [False, True])
def test_biases_and_norms_are_decayed_where_the_protocol_says_so(make_protocol, decayed):
    net = ConvNet(2, 1, 8, depth=1, width=2)
    options = {"num_classes": 2, "num_steps": 4, "preprocessing": Normalize((0.0,), (1.0,))}
    protocol = make_protocol(weight_decay=0.3, decay_vectors=decayed)
    groups = Student(net, protocol, **options).configure_optimizers()["optimizer"].param_groups
    assert [g["weight_decay"] for g in groups] == [0.3, 0.3 if decayed else 0.0]


def test_the_loss_of_mixed_targets_weights_each_with_its_own_image(make_student, batch):
    draw = torch.Generator().manual_seed(2)
    own, other = torch.randn(2, 6, 3, generator=draw)
    student = make_student(labels="targets", loss="mse")
    total = 0.0
    for i in range(6):
        logits, share = batch.images[i, 0, 0], float(batch.share[i])
        mine, others = (0.5 * float((logits - t[i]).square().sum()) for t in (own, other))
        total += share * float(batch.weights[i]) * mine
        total += (1 - share) * float(batch.other_weights[i]) * others
    loss = student.training_step(replace(batch, targets=own, other_targets=other), 0)
    assert float(loss) == pytest.approx(total / 12, rel=1e-5)


def test_stored_logits_are_learned_without_asking_the_teacher(make_student, batch):
    teacher = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    settings = {"labels": "soft", "loss": "kl", "temperature": 2.0}
    asked = make_student(label=lambda _: teacher, **settings).training_step(batch, 0)
    stored = make_student(**settings).training_step(replace(batch, logits=teacher), 0)
    assert torch.equal(stored, asked)
    assert float(stored) > 0


class Normed(nn.Module):
    """Batch statistics, then the first pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)[:, 0, 0, :3]


def test_a_second_forward_sees_the_mixed_images_and_moves_the_batch_statistics_twice(
    make_student, batch
):
    # RDED's CutMix writes in place: what it passes first is what it passes then.
    student, plain = make_student(second_forward=True), make_student()
    student.net, plain.net = Normed(), Normed()
    loss, alone = (s.training_step(batch, 0) for s in (student, plain))
    norm = student.net.norm
    assert (int(norm.num_batches_tracked), int(plain.net.norm.num_batches_tracked)) == (2, 1)
    mean, variance = float(batch.images.mean()), float(batch.images.var())
    assert float(norm.running_mean) == pytest.approx((0.1 + 0.09) * mean, rel=1e-5)
    assert float(norm.running_var) == pytest.approx(0.81 + 0.19 * variance, rel=1e-5)
    # It is learned from once.
    loss.backward()
    alone.backward()
    assert torch.equal(loss, alone)
    assert torch.equal(norm.weight.grad, plain.net.norm.weight.grad)


class Remembers(Callback):
    """The weights of a student's network after every step."""

    def __init__(self) -> None:
        self.weights: list[dict[str, torch.Tensor]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.on_train_batch_end(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        net = pl_module.net.named_parameters()
        self.weights.append({k: p.detach().clone() for k, p in net})


@pytest.fixture
def averaged(tiny_images, make_protocol, make_trainer) -> tuple[Student, Remembers]:
    """A student trained with a running mean of its weights, and its weights at every step."""
    torch.manual_seed(0)
    protocol = make_protocol(steps=12, batch_size=16, lr=0.05, ema=0.8, reported="ema")
    net = ConvNet(2, 1, 8, depth=1, width=4, norm="batch")
    options = {"num_classes": 2, "num_steps": 12, "preprocessing": Normalize((0.5,), (0.25,))}
    student, remembers = Student(net, protocol, **options), Remembers()
    feed = make_feed(tiny_images.subset(torch.arange(48)), protocol)
    make_trainer(callbacks=[remembers]).fit(student, feed)
    return student.eval(), remembers


def test_the_running_mean_of_the_weights_starts_at_the_initial_ones(averaged):
    student, remembers = averaged
    assert len(remembers.weights) == 1 + 12
    mean = dict(remembers.weights[0])
    for weights in remembers.weights[1:]:
        mean = {k: 0.8 * mean[k] + 0.2 * weights[k] for k in mean}
    for name, parameter in student.ema.module.named_parameters():
        torch.testing.assert_close(parameter, mean[name], atol=1e-6, rtol=1e-5)
        assert not torch.equal(parameter, remembers.weights[-1][name])


def test_the_running_mean_is_used_when_asked_for_with_the_networks_own_statistics(
    averaged, tiny_images
):
    student, _ = averaged
    images = tiny_images.pixels("test").float() / 255
    with torch.no_grad():
        last = student(images)
        student.uses_ema = True
        mean = student(images)
        student.net.load_state_dict(dict(student.ema.module.named_parameters()), strict=False)
        student.uses_ema = False
        torch.testing.assert_close(mean, student(images))
    assert float((last - mean).abs().max()) > 1e-3


def test_the_running_mean_is_not_trained(averaged):
    student, _ = averaged
    groups = student.configure_optimizers()["optimizer"].param_groups
    trained = {id(p) for g in groups for p in g["params"]}
    assert trained == {id(p) for p in student.net.parameters()}
    assert not any(p.requires_grad for p in student.ema.parameters())


def test_a_running_mean_does_not_change_the_training(
    averaged, tiny_images, make_protocol, make_trainer
):
    torch.manual_seed(0)
    protocol = make_protocol(steps=12, batch_size=16, lr=0.05)
    net = ConvNet(2, 1, 8, depth=1, width=4, norm="batch")
    options = {"num_classes": 2, "num_steps": 12, "preprocessing": Normalize((0.5,), (0.25,))}
    feed = make_feed(tiny_images.subset(torch.arange(48)), protocol)
    make_trainer().fit(Student(net, protocol, **options), feed)
    other = averaged[0].net.state_dict()
    assert all(torch.equal(v, other[k]) for k, v in net.state_dict().items())
