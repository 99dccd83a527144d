"""KID with classes against leaving images out by hand, and against KID of independent draws."""

import itertools

import pytest
import torch

from ddoq import keyed
from ddoq.priors.quality import kid
from ddoq.pushforward.class_kid import class_kid


def normal(num: int, dim: int, purpose: str) -> torch.Tensor:
    return keyed.normal(keyed.seed_of(purpose), torch.arange(num), (dim,))


def in_classes(counts: list[int], purpose: str, shift: float = 0.0) -> tuple[torch.Tensor, ...]:
    """Return rows and labels of Gaussian classes around distant means."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return normal(len(labels), 4, purpose) + 2 * normal(3, 4, "means")[labels] + shift, labels


def by_hand(
    real: tuple[torch.Tensor, ...], drawn: tuple[torch.Tensor, ...], shares: list[float]
) -> float:
    def kernel(x: torch.Tensor, y: torch.Tensor) -> float:
        return (float(x.double() @ y.double()) / len(x) + 1) ** 3

    def mean(one: tuple[torch.Tensor, ...], two: tuple[torch.Tensor, ...]) -> float:
        total = 0.0
        for c, d in itertools.product(range(len(shares)), repeat=2):
            pairs = itertools.product(
                torch.nonzero(one[1] == c).flatten(), torch.nonzero(two[1] == d).flatten()
            )
            found = [kernel(one[0][i], two[0][j]) for i, j in pairs if one is not two or i != j]
            total += shares[c] * shares[d] * sum(found) / len(found)
        return total

    return mean(real, real) + mean(drawn, drawn) - 2 * mean(real, drawn)


def without(side: tuple[torch.Tensor, ...], row: int) -> tuple[torch.Tensor, ...]:
    kept = torch.arange(len(side[1])) != row
    return side[0][kept], side[1][kept]


def test_the_value_is_that_of_all_pairs_by_hand():
    real, drawn = in_classes([5, 4, 6], "a"), in_classes([2, 3, 4], "b", 0.5)
    found = class_kid(real[0], drawn[0], real[1], drawn[1])
    assert found is not None
    assert found.value == pytest.approx(by_hand(real, drawn, [2 / 9, 3 / 9, 4 / 9]), rel=1e-9)


def test_the_error_is_that_of_leaving_images_out_by_hand():
    real, drawn = in_classes([4, 3, 5], "a"), in_classes([3, 3, 4], "b", 0.5)
    shares, total = [0.3, 0.3, 0.4], 0.0
    for number, side in enumerate((real, drawn)):
        for c in range(3):
            sides = [
                (without(side, row), drawn) if number == 0 else (real, without(side, row))
                for row in torch.nonzero(side[1] == c).flatten().tolist()
            ]
            left = torch.tensor([by_hand(*pair, shares) for pair in sides]).double()
            total += float((len(left) - 1) / len(left) * (left - left.mean()).square().sum())
    found = class_kid(real[0], drawn[0], real[1], drawn[1])
    assert found is not None
    assert found.error == pytest.approx(total**0.5, rel=1e-6)


def spread_over_draws(each: int, shift: float, times: int) -> tuple[float, float, float]:
    """Return the mean and spread of values over draws, and the mean of their stated errors."""
    values, errors = [], []
    for i in range(times):
        (real, labels), (drawn, own) = (
            in_classes([60] * 3, f"a{i}"),
            in_classes([each] * 3, f"b{i}", shift),
        )
        found = class_kid(real, drawn, labels, own)
        assert found is not None
        values.append(found.value)
        errors.append(found.error)
    number = torch.tensor(values)
    return float(number.mean()), float(number.std()), float(torch.tensor(errors).mean())


def test_random_images_of_each_class_are_at_zero_on_average():
    mean, spread, error = spread_over_draws(4, 0.0, 200)
    assert abs(mean) < 3 * spread / 200**0.5
    # The jackknife is known to err on this side (Efron and Stein 1981).
    assert spread < error < 2.5 * spread


def test_kid_of_independent_draws_would_be_below_zero():
    (real, labels), (drawn, own) = in_classes([60] * 3, "a"), in_classes([2] * 3, "b")
    found = class_kid(real, drawn, labels, own)
    assert found is not None
    assert kid(real, drawn)[0] < found.value - 1


def test_the_error_is_the_spread_over_draws():
    _, spread, error = spread_over_draws(20, 0.5, 100)
    assert error == pytest.approx(spread, rel=0.25)


def test_one_image_of_a_class_cannot_be_compared_with_its_like():
    real, drawn = in_classes([5, 5, 5], "a"), in_classes([1, 5, 5], "b")
    assert class_kid(real[0], drawn[0], real[1], drawn[1]) is None


def test_two_images_of_a_class_have_no_error():
    real, drawn = in_classes([5, 5, 5], "a"), in_classes([2, 5, 5], "b")
    found = class_kid(real[0], drawn[0], real[1], drawn[1])
    assert found is not None
    assert found.error is None


def test_classes_that_the_set_leaves_out_do_not_count():
    (real, labels), (drawn, own) = in_classes([5, 5, 5], "a"), in_classes([5, 0, 5], "b")
    part = labels != 1
    assert class_kid(real, drawn, labels, own) == class_kid(real[part], drawn, labels[part], own)
