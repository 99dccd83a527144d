"""A step of a prior's training against closed forms, on one rank and on two."""

from typing import Any

import pytest
import torch
from torch.utils import checkpoint as checkpoint_module

from ddoq import keyed
from ddoq.data.latents import shuffled
from ddoq.priors.examples import Examples
from ddoq.priors.nets import Net, dit, dropped, unet
from ddoq.priors.objectives import Objective, clean, edm, flow, noise, velocity
from ddoq.priors.pretrain import PriorPretraining
from ddoq.priors.training import PriorTraining, ema_decay, lr_factor
from ddoq.training.steps import Steps

SMALL = {"width": 8, "multipliers": (1, 1), "blocks": 1, "attention": ()}
# Bright on the left and dark on the right, or the other way round in the second class.
IMAGES = keyed.normal(7, torch.arange(20), (1, 4, 4)) / 10
IMAGES += torch.tensor([0.5, -0.5]).repeat_interleave(2) * torch.tensor([1, -1]).repeat(10).view(
    20, 1, 1, 1
)


def feed(rank: int = 0, world_size: int = 1, batch_size: int = 7) -> Examples:
    return Examples(
        read=lambda rows: (IMAGES[rows], rows % 2),
        num=20,
        shape=(1, 4, 4),
        batch_size=batch_size,
        seed=0,
        flip=True,
        device=torch.device("cpu"),
        rank=rank,
        world_size=world_size,
    )


def module(objective: Objective | None = None, **settings: Any) -> PriorTraining:
    torch.manual_seed(0)
    chosen = {"steps": 30, "batch_size": 7, **settings}
    net, settings = unet((1, 4, 4), 2, **SMALL), PriorPretraining(**chosen)
    return PriorTraining(net, objective or edm(), settings, seed=0)


def test_the_running_mean_forgets_half_in_its_half_life():
    """Weights that stand still at 0 from the second step on: the mean is 1/2 after 12 steps."""
    training = module(steps=120, half_life=0.1)
    with torch.no_grad():
        for p in training.model.parameters():
            p.fill_(1.0)
        training.average.update_parameters(training.model)
        for p in training.model.parameters():
            p.fill_(0.0)
    for _ in range(12):
        training.average.update_parameters(training.model)
    found = torch.cat([p.flatten() for p in training.average.module.parameters()])
    assert torch.allclose(found, torch.tensor(0.5), atol=1e-5)
    assert ema_decay(12.0) ** 12 == pytest.approx(0.5)


def test_the_rate_rises_linearly_and_ends_at_zero():
    assert lr_factor(0, 1000, 0.05) == pytest.approx(1 / 50)
    assert lr_factor(24, 1000, 0.05) == pytest.approx(0.5, abs=0.01)
    assert lr_factor(500, 1000, 0.05) == pytest.approx(0.5)
    assert lr_factor(1000, 1000, 0.05) == 0


def test_a_tenth_of_the_labels_is_dropped_and_the_others_stay():
    labels = torch.arange(20_000) % 3
    draws = keyed.Draws(0, torch.arange(20_000))
    kept = dropped(labels, draws, share=0.1, null_label=3)
    assert float((kept == 3).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert torch.equal(kept[kept != 3], labels[kept != 3])
    assert torch.equal(dropped(labels, draws, share=0.0, null_label=3), labels)


@pytest.mark.parametrize("make", [dit, unet])
def test_a_dropped_label_is_the_networks_last_and_the_same_in_all_its_layers(make):
    """With every label dropped, what the labels were makes no difference."""
    sizes = {"layers": 2, "heads": 1, "head_size": 8} if make is dit else SMALL
    torch.manual_seed(0)
    net: Net = make((1, 4, 4), 2, **sizes, label_dropout=1.0)
    net.model.train()

    training = PriorTraining(net, noise(), PriorPretraining(), seed=0)

    def losses(labels: torch.Tensor) -> torch.Tensor:
        return training.losses(net.model, (IMAGES, labels, torch.arange(20)), "prior")

    zeros, ones = losses(torch.zeros(20, dtype=torch.int64)), losses(torch.ones(20).long())
    assert torch.equal(zeros, ones)


def counted(calls: list[object]) -> Any:
    """Return torch's function that recomputes activations, noting what it is called for."""
    original = checkpoint_module.checkpoint

    def checkpoint(function: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(function)
        return original(function, *args, **kwargs)

    return checkpoint


def test_ranks_draw_different_noise_and_together_what_one_would():
    alone, both = feed(), [feed(r, 2) for r in (0, 1)]
    clean, labels, places = alone.batch(4)
    drawn = keyed.Draws(0, places).normal("noise", (1, 4, 4))
    parts = [keyed.Draws(0, f.batch(4)[2]).normal("noise", (1, 4, 4)) for f in both]
    assert not torch.isclose(parts[0][:3], parts[1]).any()
    order = torch.cat([torch.arange(0, 7, 2), torch.arange(1, 7, 2)])
    assert torch.equal(torch.cat(parts), drawn[order])
    assert torch.equal(torch.cat([f.batch(4)[0] for f in both]), clean[order])
    assert torch.equal(torch.cat([f.batch(4)[1] for f in both]), labels[order])


@pytest.mark.parametrize("objective", [noise, velocity, clean, flow, edm])
def test_the_losses_of_two_ranks_add_up_to_that_of_one(objective):
    """Seven samples: four on one rank, three on the other, and each counts the same."""
    training = module(objective())
    one, other = (training.loss(feed(rank, 2).batch(2)) for rank in (0, 1))
    assert torch.allclose(one + other, training.loss(feed().batch(2)), rtol=1e-5)


def test_an_epoch_holds_every_example_once_and_flips_are_keyed():
    rows = torch.cat([shuffled(torch.arange(7 * s, 7 * s + 7), 20, 0) for s in range(20)])
    assert [sorted(rows[20 * e : 20 * e + 20].tolist()) for e in range(7)] == [list(range(20))] * 7
    clean, _, places = feed().batch(0)
    source = IMAGES[shuffled(places, 20, 0)]
    is_flipped = (clean == source.flip(3)).flatten(1).all(1)
    assert bool((is_flipped | (clean == source).flatten(1).all(1)).all())
    assert 0 < int(is_flipped.sum()) < 7


def test_the_loss_falls(make_trainer):
    training = module(steps=60, lr=3e-3)
    unseen = feed(batch_size=200).batch(30)
    before = training.loss(unseen).item()
    make_trainer().fit(training, Steps(feed().batch, 60))
    assert training.loss(unseen).item() < 0.8 * before


@pytest.mark.parametrize("make", [dit, unet])
def test_checkpointing_changes_no_gradient(make, monkeypatch):
    sizes = {"layers": 2, "heads": 1, "head_size": 8, "zero": False} if make is dit else SMALL
    again: list[object] = []
    monkeypatch.setattr(checkpoint_module, "checkpoint", counted(again))
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        settings = PriorPretraining(batch_size=7, checkpointing=checkpointing)
        training = PriorTraining(make((1, 4, 4), 2, **sizes), flow(), settings, seed=0)
        training.loss(feed().batch(0)).backward()
        gradients.append([p.grad for p in training.model.parameters()])
        assert bool(again) == checkpointing
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_half_precision_changes_the_loss_by_little():
    single, half = (
        module(dtype=dtype).loss(feed().batch(0)).item() for dtype in ("float32", "bfloat16")
    )
    assert single != half
    assert half == pytest.approx(single, rel=0.02)
