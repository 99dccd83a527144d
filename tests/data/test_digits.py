import pytest
import torch
from sklearn.datasets import load_digits

from ddoq.data import digits as module
from ddoq.data.digits import Digits


@pytest.fixture(scope="module")
def digits():
    return Digits()


def _pixels(split, size=8):
    return split.read(torch.arange(len(split)), size)


def test_every_digit_is_in_exactly_one_split(digits):
    parts = [_pixels(s).flatten(1) for s in (digits.train, digits.val, digits.test)]
    ours = torch.cat(parts).unique(dim=0)
    theirs = torch.tensor(load_digits().data / 16 * 255).round().to(torch.uint8)
    assert torch.equal(ours, theirs.unique(dim=0))
    assert sum(len(part) for part in parts) == len(theirs) == 1797


def test_the_shares_hold_for_every_class(digits):
    totals = torch.tensor(load_digits().target).bincount()
    shares = digits.test.labels.bincount() / totals
    assert (shares - 0.3).abs().max() < 0.004


def test_the_mean_and_deviation_are_those_of_the_pixels(digits):
    pixels = _pixels(digits.train) / 255
    assert pixels.mean().item() == pytest.approx(digits.mean[0], abs=0.002)
    assert pixels.std().item() == pytest.approx(digits.std[0], abs=0.002)


def test_a_larger_digit_has_the_same_mean(digits):
    assert _pixels(digits.val, 32).float().mean() == pytest.approx(
        _pixels(digits.val).float().mean().item(), rel=0.01
    )


@pytest.mark.parametrize(
    "setting", [{"image_size": 16}, {"split_seed": 1}, {"val_share": 0.2}, {"test_share": 0.2}]
)
def test_the_fingerprint_tells_settings_apart(digits, setting):
    assert Digits().fingerprint == digits.fingerprint != Digits(**setting).fingerprint


def test_where_scikit_learn_keeps_them_elsewhere_the_digits_are_the_same(digits, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    other = Digits()
    assert other.fingerprint == digits.fingerprint
    assert _pixels(other.train).equal(_pixels(digits.train))
    assert other.test.labels.equal(digits.test.labels)
