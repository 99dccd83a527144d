from fractions import Fraction

import pytest
import torch

from ddoq.errors import IntegrityError
from ddoq.quantize.cells import Cells, nearest, squares


def latents(n: int = 300, dim: int = 37) -> torch.Tensor:
    """Float16 values from subnormal to large, some rows repeated."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(n, dim, generator=generator) * 2.0 ** torch.arange(-18, dim - 18).clamp_max(11)
    return torch.cat([z, z[: n // 10]]).half()


def cells(points: torch.Tensor, *chunks: torch.Tensor) -> Cells:
    metric = Cells(*points.shape)
    for chunk in chunks:
        metric.update(chunk, points)
    return metric


def same(a: Cells, b: Cells) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.compute(), b.compute(), strict=True))


def test_sums_are_those_of_rational_arithmetic():
    z = latents(40, 30)
    sums = [sum(Fraction(v) for v in column) for column in z.double().T.tolist()]
    units = cells(torch.zeros(1, 30), z).sums[0].tolist()
    assert [Fraction(u, 2**24) for u in units] == sums


def test_means_counts_and_distortion_are_those_of_brute_force():
    z, points = latents(), latents(7).float()[:7]
    distances = torch.cdist(
        z.double(), points.double(), compute_mode="donot_use_mm_for_euclid_dist"
    )
    least, labels = distances.min(1)
    means, counts, distortion = cells(points, z).compute()
    for k in range(7):
        expected = z[labels == k].double().mean(0).float()
        torch.testing.assert_close(means[k], expected, rtol=1e-6, atol=2.0**-24)
    assert counts.tolist() == torch.bincount(labels, minlength=7).tolist()
    torch.testing.assert_close(distortion, least.square().mean())


@pytest.mark.parametrize("size", [1, 2, 17, 256])
def test_no_chunk_and_no_order_changes_a_bit(size: int):
    z, points = latents(), latents(9).float()[:9]
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(size))
    assert same(cells(points, z), cells(points, *z[order].split(size)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.bfloat16])
def test_two_halves_merged_are_the_whole(dtype: torch.dtype):
    z, points = (latents() / 3).to(dtype), latents(5).float()[:5]
    half = cells(points, z[:100])
    half.merge_state(cells(points, z[100:]))
    assert same(half, cells(points, z))


@pytest.mark.parametrize("size", [1, 3, 64])
def test_of_equally_near_points_it_is_the_first(size: int):
    z = torch.randint(-3, 4, (64, 11), generator=torch.Generator().manual_seed(0)).double()
    step = torch.full((1, 11), 0.1, dtype=torch.float64)
    points = torch.cat([step, -step, step, -step])
    labels = torch.cat([nearest(chunk, points)[0] for chunk in z.split(size)])
    positive = squares(z, step.expand_as(z)) <= squares(z, -step.expand_as(z))
    assert labels.tolist() == (~positive).long().tolist()


def test_far_from_the_origin_the_nearest_point_is_still_found():
    z = 2.0**15 + torch.rand(200, 64, generator=torch.Generator().manual_seed(0)).double()
    points = z[:20]
    brute = torch.stack([(z - p).square().sum(1) for p in points], 1)
    labels, distances = nearest(z, points)
    assert torch.equal(labels, brute.argmin(1))
    torch.testing.assert_close(distances, brute.amin(1), rtol=1e-12, atol=0)


def test_the_square_of_a_row_does_not_depend_on_the_others():
    z, p = torch.rand(2, 50, 1001, dtype=torch.float64)
    alone = torch.cat([squares(a[None], b[None]) for a, b in zip(z, p, strict=True)])
    assert torch.equal(squares(z, p), alone)
    torch.testing.assert_close(alone, (z - p).square().sum(1), rtol=1e-14, atol=0)


@pytest.mark.parametrize("value", [2.0**16, float("inf"), float("nan")])
def test_what_cannot_be_added_is_refused(value: float):
    with pytest.raises(IntegrityError, match="65536"):
        cells(torch.zeros(1, 2), torch.tensor([[0.0, value]]))
