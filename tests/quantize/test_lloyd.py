import pytest
import torch
from sklearn.cluster import KMeans

from ddoq.errors import UsageError
from ddoq.quantize.functional import assign
from ddoq.quantize.lloyd import Lloyd


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def blobs(n: int = 600, dim: int = 4) -> torch.Tensor:
    x = torch.randn(n, dim, generator=generator())
    return x + 3 * torch.randn(15, dim, generator=generator())[torch.arange(n) % 15]


def test_its_restarts_are_as_good_as_those_of_scikit_learn():
    x = blobs()
    theirs = KMeans(10, n_init=10, random_state=0).fit(x.numpy()).inertia_
    ours = float(assign(x, Lloyd()(x, 10, generator=generator()))[1].sum())
    assert ours <= 1.02 * theirs


def test_more_restarts_are_never_worse():
    x = blobs()
    sums = [
        float(assign(x, Lloyd(restarts=r)(x, 10, generator=generator()))[1].sum())
        for r in (1, 2, 4, 8)
    ]
    assert sums == sorted(sums, reverse=True)


def test_one_point_is_the_mean():
    x = blobs()
    torch.testing.assert_close(Lloyd()(x, 1, generator=generator())[0], x.mean(0))


def test_far_from_the_origin_the_points_are_as_good():
    x = blobs()
    points = Lloyd()(x + 4096, 10, generator=generator()) - 4096
    here = float(assign(x, Lloyd()(x, 10, generator=generator()))[1].sum())
    assert float(assign(x, points)[1].sum()) <= 1.02 * here


def test_half_precision_latents_are_clustered_in_single_precision():
    x = blobs().half()
    points = Lloyd()(x, 5, generator=generator())
    assert torch.equal(points, Lloyd()(x.float(), 5, generator=generator()))


@pytest.mark.parametrize("settings", [{"restarts": 0}, {"max_iterations": 0}])
def test_zero_of_anything_is_refused(settings: dict[str, int]):
    with pytest.raises(UsageError, match="at least 1"):
        Lloyd(**settings)
