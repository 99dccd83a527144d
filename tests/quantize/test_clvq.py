import pytest
import torch

from ddoq.errors import UsageError
from ddoq.quantize.clvq import CLVQ
from ddoq.quantize.functional import assign, plus_plus
from ddoq.quantize.lloyd import Lloyd


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def blobs(n: int = 400, dim: int = 3) -> torch.Tensor:
    x = torch.randn(n, dim, generator=generator())
    return x + 3 * torch.randn(9, dim, generator=generator())[torch.arange(n) % 9]


def test_chunk_1_and_one_pass_are_the_published_algorithm():
    x, draw = blobs(), generator()
    order = torch.randperm(len(x), generator=draw)
    points = plus_plus(x[order[: 4 * 5].sort().values], 5, draw).double()
    visits = torch.zeros(5)
    for z in x[order].double():
        k = (z - points).square().sum(1).argmin()
        visits[k] += 1
        points[k] += (z - points[k]) / visits[k]
    ours = CLVQ(chunk=1, passes=1)(x, 5, generator=generator())
    torch.testing.assert_close(ours, points.float(), atol=1e-4, rtol=1e-4)


def test_one_point_is_the_mean_of_all_that_was_streamed():
    x = blobs()
    points = CLVQ(chunk=64, passes=3)(x, 1, generator=generator())
    torch.testing.assert_close(points[0], x.mean(0))


def test_it_comes_near_the_distortion_of_converged_k_means():
    x = blobs()
    streamed = assign(x, CLVQ(chunk=50)(x, 9, generator=generator()))[1].mean()
    converged = assign(x, Lloyd()(x, 9, generator=generator()))[1].mean()
    assert converged <= streamed <= 1.25 * converged


def test_far_from_the_origin_the_points_are_as_good():
    x = blobs()
    here = assign(x, CLVQ()(x, 9, generator=generator()))[1].mean()
    away = CLVQ()(x + 4096, 9, generator=generator()) - 4096
    assert assign(x, away)[1].mean() <= 1.02 * here


@pytest.mark.parametrize("settings", [{"chunk": 0}, {"passes": 0}])
def test_zero_of_anything_is_refused(settings: dict[str, int]):
    with pytest.raises(UsageError, match="at least 1"):
        CLVQ(**settings)
