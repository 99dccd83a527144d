import numpy as np
import pytest
import torch
from sklearn.cluster import MiniBatchKMeans

from ddoq.errors import UsageError
from ddoq.quantize.d4m import D4M
from ddoq.quantize.functional import assign


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def blobs(n: int = 437, dim: int = 4) -> torch.Tensor:
    x = torch.randn(n, dim, generator=generator())
    return x + 3 * torch.randn(9, dim, generator=generator())[torch.arange(n) % 9]


def script(x: torch.Tensor, num_points: int, expand: int) -> MiniBatchKMeans:
    """Re-enact D4M's loop: shuffled, in full chunks, the tail left behind."""
    kmeans = MiniBatchKMeans(n_clusters=num_points, random_state=0, n_init="auto")
    waiting = []
    for row in x[torch.randperm(len(x), generator=generator())]:
        waiting.append(row.view(1, -1).numpy())
        if len(waiting) == expand * num_points:
            kmeans.partial_fit(np.vstack(waiting))
            waiting = []
    return kmeans


@pytest.mark.parametrize("expand", [1, 3])
def test_it_is_the_script(expand: int):
    x = blobs()
    points, counts = D4M(expand=expand).with_counts(x, 10, generator=generator())
    oracle = script(x, 10, expand)
    assert torch.equal(points, torch.from_numpy(oracle.cluster_centers_))
    assert torch.equal(counts, torch.from_numpy(oracle._counts))
    assert torch.equal(points, D4M(expand=expand)(x, 10, generator=generator()))


def test_at_expand_1_the_first_chunk_becomes_the_points():
    x = blobs(9)
    points = D4M()(x, 9, generator=generator())
    torch.testing.assert_close(points.sort(0).values, x.sort(0).values)


@pytest.mark.parametrize(("drop_tail", "seen"), [(True, 430), (False, 437)])
def test_the_tail_counts_only_if_kept(drop_tail: bool, seen: int):
    solver = D4M(reassign=False, drop_tail=drop_tail)
    assert solver.with_counts(blobs(), 10, generator=generator())[1].sum() == seen


def test_every_pass_streams_all_latents_again():
    solver = D4M(passes=3, reassign=False, drop_tail=False)
    assert solver.with_counts(blobs(), 10, generator=generator())[1].sum() == 3 * 437


def test_a_class_smaller_than_a_chunk_is_still_fitted():
    x = blobs(37)
    point = D4M(expand=100)(x, 1, generator=generator())
    torch.testing.assert_close(point[0], x.mean(0))


def test_reassigning_makes_counts_that_are_no_masses():
    x = torch.cat([torch.zeros(600, 4), blobs(40)])
    kept, lost = (
        D4M(reassign=r, drop_tail=False).with_counts(x, 10, generator=generator())[1].sum()
        for r in (False, True)
    )
    assert kept == 640
    assert lost != 640


def test_counts_of_the_final_cells_are_those_of_a_full_assignment():
    x = blobs().half()
    points, counts = D4M(streaming_counts=False).with_counts(x, 10, generator=generator())
    assert counts.tolist() == torch.bincount(assign(x.float(), points)[0], minlength=10).tolist()


@pytest.mark.parametrize("settings", [{"expand": 0}, {"passes": 0}])
def test_zero_of_anything_is_refused(settings: dict[str, int]):
    with pytest.raises(UsageError, match="at least 1"):
        D4M(**settings)
