"""FID and KID against closed forms and torchmetrics."""

import pytest
import torch
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from ddoq import keyed
from ddoq.priors.quality import features_of, fid, kid


def normal(num: int, dim: int, purpose: str) -> torch.Tensor:
    return keyed.normal(keyed.seed_of(purpose), torch.arange(num), (dim,))


def test_fid_of_two_gaussians_is_known():
    """Variances 1 and 4, means 3 apart in each of two dimensions: 2 (9 + 1 + 4 - 2 * 2)."""
    a, b = normal(200_000, 2, "a"), 2 * normal(200_000, 2, "b") + 3
    assert fid(a, b) == pytest.approx(20, rel=0.01)
    assert fid(a, a) == pytest.approx(0, abs=1e-9)


def test_fid_is_that_of_torchmetrics():
    a, b = normal(500, 8, "a") @ torch.randn(8, 8), normal(400, 8, "b") ** 3
    moments = [m for x in (a, b) for m in (x.double().mean(0), x.double().T.cov())]
    expected = _compute_fid(moments[0], moments[1], moments[2], moments[3])
    assert fid(a, b) == pytest.approx(float(expected), rel=1e-6)


def test_kid_is_that_of_torchmetrics_over_equal_blocks():
    a, b = normal(300, 8, "a"), normal(300, 8, "b") + 0.3
    blocks = zip(a.double().split(100), b.double().split(100), strict=True)
    expected = torch.stack([poly_mmd(x, y) for x, y in blocks])
    mean, error = kid(a, b, block=100)
    assert mean == pytest.approx(float(expected.mean()), rel=1e-9)
    assert error == pytest.approx(float(expected.std() / 3**0.5), rel=1e-9)


def test_kid_has_no_bias():
    values = [kid(normal(60, 4, f"a{i}"), normal(60, 4, f"b{i}"))[0] for i in range(200)]
    mean = torch.tensor(values).mean()
    assert abs(float(mean)) < 3 * float(torch.tensor(values).std()) / 200**0.5


def test_features_are_gathered_in_order():
    batches = [torch.full((2, 1, 2, 2), i, dtype=torch.uint8) for i in range(3)]
    found = features_of(lambda x: x.float().flatten(1).mean(1, keepdim=True), batches)
    assert found.flatten().tolist() == [0, 0, 1, 1, 2, 2]
