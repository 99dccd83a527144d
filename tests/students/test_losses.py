import math

import pytest
import torch
import torch.nn.functional as F

from ddoq.students.losses import (
    centered,
    hard_losses,
    soft_losses,
    target_losses,
    weighted_mean,
)


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    logits, teacher = torch.randn(2, 16, 5, generator=draw) * 3
    return logits, teacher, torch.randint(5, (16,), generator=draw)


def unweighted(losses: torch.Tensor) -> torch.Tensor:
    return weighted_mean(losses, torch.ones_like(losses), len(losses))


def test_weights_of_one_give_torchs_cross_entropy(batch):
    logits, _, labels = batch
    ours = unweighted(hard_losses(logits, labels))
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels), rtol=1e-6, atol=0)


@pytest.mark.parametrize("temperature", [1.0, 20.0])
def test_weights_of_one_give_torchs_kl_of_softened_distributions(batch, temperature):
    logits, teacher, labels = batch
    ours = soft_losses(logits, teacher, labels, loss="kl", temperature=temperature)
    theirs = F.kl_div(
        F.log_softmax(logits / temperature, 1),
        F.softmax(teacher / temperature, 1),
        reduction="batchmean",
    )
    torch.testing.assert_close(unweighted(ours), theirs, rtol=1e-6, atol=1e-8)


def test_weights_of_one_give_torchs_cross_entropy_with_probabilities(batch):
    logits, teacher, labels = batch
    ours = soft_losses(logits, teacher, labels, loss="soft_ce", temperature=2.0)
    theirs = F.cross_entropy(logits / 2, F.softmax(teacher / 2, 1))
    torch.testing.assert_close(unweighted(ours), theirs, rtol=1e-6, atol=0)


def test_edc_adds_a_fortieth_of_the_cross_entropy_to_the_squared_error(batch):
    logits, teacher, labels = batch
    ours = soft_losses(logits, teacher, labels, loss="mse_ce", temperature=1.0)
    theirs = F.mse_loss(logits, teacher) + F.cross_entropy(logits, labels) / 40
    torch.testing.assert_close(unweighted(ours), theirs)


@pytest.mark.parametrize("loss", ["kl", "soft_ce"])
def test_soft_losses_differ_by_the_teachers_entropy_only(batch, loss):
    logits, teacher, labels = batch
    gradient = torch.autograd.functional.jacobian(
        lambda x: soft_losses(x, teacher, labels, loss=loss, temperature=4.0).sum(), logits
    )
    expected = (F.softmax(logits / 4, 1) - F.softmax(teacher / 4, 1)) / 4
    torch.testing.assert_close(gradient, expected)


def test_a_student_that_equals_its_teacher_has_no_divergence(batch):
    logits, _, labels = batch
    losses = soft_losses(logits, logits, labels, loss="kl", temperature=20.0)
    torch.testing.assert_close(losses, torch.zeros(16), atol=1e-6, rtol=0)


def test_the_weighted_mean_divides_by_the_size_of_the_whole_batch():
    losses, weights = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 0.5])
    assert float(weighted_mean(losses, weights, 8)) == 0.5


def unit(values: list[float]) -> list[float]:
    length = math.sqrt(sum(v * v for v in values))
    return [v / length for v in values]


def test_gift_is_the_cosine_distance_to_the_refined_label(batch):
    logits, teacher, labels = batch
    ours = soft_losses(logits, teacher, labels, loss="gift", temperature=1.0)
    for i in range(16):
        smooth = [0.9 if c == int(labels[i]) else 0.1 / 4 for c in range(5)]
        sums = zip(unit(teacher[i].tolist()), unit(smooth), strict=True)
        refined = unit([t + 0.1 * s for t, s in sums])
        cosine = sum(a * b for a, b in zip(unit(logits[i].tolist()), refined, strict=True))
        assert float(ours[i]) == pytest.approx(1 - cosine, abs=1e-6)


def test_gift_does_not_see_the_length_of_logits_nor_the_temperature(batch):
    logits, teacher, labels = batch
    ours = soft_losses(logits, teacher, labels, loss="gift", temperature=1.0)
    other = soft_losses(7 * logits, 3 * teacher, labels, loss="gift", temperature=20.0)
    torch.testing.assert_close(other, ours, atol=1e-6, rtol=0)


@pytest.mark.parametrize("loss", ["kl", "soft_ce", "mse_ce", "gift", "ce"])
def test_logits_in_half_precision_have_the_losses_of_the_same_numbers_in_single(batch, loss):
    logits, teacher, labels = batch

    def losses(x: torch.Tensor) -> torch.Tensor:
        if loss == "ce":
            return hard_losses(x, labels)
        return soft_losses(x, teacher, labels, loss=loss, temperature=20.0)

    half = logits.bfloat16().requires_grad_()
    whole = half.detach().float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = losses(half)
    torch.testing.assert_close(found, losses(whole))
    (own,) = torch.autograd.grad(found.sum(), half)
    (wanted,) = torch.autograd.grad(losses(whole).sum(), whole)
    # Nothing but the gradient's own rounding to eight bits.
    torch.testing.assert_close(own.float(), wanted, rtol=2**-8, atol=0)


def test_targets_are_learned_by_half_of_the_sum_of_squares():
    outputs, targets = (
        torch.tensor([[1.0, 2.0], [0.0, 0.0]]),
        torch.tensor([[0.0, 4.0], [0.0, 0.5]]),
    )
    assert target_losses(outputs, targets).tolist() == [0.5 * (1 + 4), 0.5 * 0.25]


def test_labels_as_targets_have_a_mean_of_zero():
    found = centered(torch.tensor([2, 0]), 4)
    assert found.tolist() == [[-0.25, -0.25, 0.75, -0.25], [0.75, -0.25, -0.25, -0.25]]
