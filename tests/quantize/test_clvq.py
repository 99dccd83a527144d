import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from sklearn.cluster import KMeans

from ddoq import keyed
from ddoq.data.latents import LatentStore
from ddoq.errors import UsageError
from ddoq.quantize.clvq import CLVQ, polish
from ddoq.quantize.functional import assign, plus_plus


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def blobs(n: int = 400, dim: int = 3) -> torch.Tensor:
    x = torch.randn(n, dim, generator=generator())
    return x + 3 * torch.randn(9, dim, generator=generator())[torch.arange(n) % 9]


def distortion(x: torch.Tensor, points: torch.Tensor) -> float:
    return float(assign(x, points)[1].double().mean())


def test_chunk_1_and_one_pass_are_the_published_algorithm():
    x, draw = blobs(), generator()
    order = torch.randperm(len(x), generator=draw)
    points = plus_plus(x[order[: 4 * 5]], 5, draw).double()
    visits = torch.zeros(5)
    for z in x[order].double():
        k = (z - points).square().sum(1).argmin()
        visits[k] += 1
        points[k] += (z - points[k]) / visits[k]
    ours = CLVQ(chunk=1, passes=1, polish=0)(x, 5, generator=generator())
    torch.testing.assert_close(ours, points.float(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("polish", [0, 5])
def test_one_point_is_the_mean_of_all_that_was_streamed(polish: int, dim: int):
    x = blobs(dim=dim)
    points = CLVQ(chunk=64, passes=3, polish=polish)(x, 1, generator=generator())
    torch.testing.assert_close(points, x.mean(0, keepdim=True))


def test_averaging_weighs_each_step_of_the_last_pass_by_its_latents():
    x = blobs()
    order = torch.randperm(len(x), generator=generator())
    means = x[order].double().cumsum(0) / torch.arange(1, 401)[:, None]
    steps = [(64 * t, 64) for t in range(1, 7)] + [(400, 16)]
    expected = sum(means[end - 1] * rows / 400 for end, rows in steps)
    ours = CLVQ(chunk=64, passes=1, averaging=True, polish=0)(x, 1, generator=generator())
    torch.testing.assert_close(ours[0].double(), expected, rtol=1e-5, atol=1e-5)


def test_averaging_leaves_out_all_passes_but_the_last():
    x = blobs(64)
    plain, averaged = (
        CLVQ(chunk=64, passes=3, averaging=a, polish=0)(x, 5, generator=generator())
        for a in (False, True)
    )
    torch.testing.assert_close(averaged, plain)


def test_it_comes_near_the_distortion_of_converged_k_means():
    x = blobs()
    streamed = distortion(x, CLVQ(chunk=50, polish=0)(x, 9, generator=generator()))
    polished = distortion(x, CLVQ(chunk=50)(x, 9, generator=generator()))
    converged = KMeans(9, n_init=8, random_state=0).fit(x.numpy()).inertia_ / len(x)
    assert 0.999 * converged <= polished <= streamed <= 1.25 * converged


def test_far_from_the_origin_the_points_are_as_good():
    x = blobs()
    here = distortion(x, CLVQ()(x, 9, generator=generator()))
    away = CLVQ()(x + 4096, 9, generator=generator()) - 4096
    assert distortion(x, away) <= 1.02 * here


def test_polishing_ends_where_scikit_learn_does():
    x = blobs()
    oracle = KMeans(9, init=x[:9].numpy(), n_init=1, tol=0, max_iter=1000).fit(x.numpy())
    ours = polish(x[:9], (x.split(77) for _ in range(1000)))
    torch.testing.assert_close(ours, torch.from_numpy(oracle.cluster_centers_))


def test_polishing_stops_at_the_fixpoint():
    x, passes = blobs(), iter(range(1000))
    points = polish(x[:9], ([x] for _ in passes))
    used = next(passes)
    assert used < 100
    assert torch.equal(points, polish(x[:9], [[x]] * used))
    assert not torch.equal(points, polish(x[:9], [[x]] * (used - 3)))


def test_every_pass_of_polishing_lowers_the_distortion():
    x = blobs()
    falls = [distortion(x, polish(x[:9], [[x]] * number)) for number in range(6)]
    assert falls == sorted(falls, reverse=True)
    assert falls[5] < 0.9 * falls[0]


def test_polishing_gives_the_same_bits_for_any_chunks_in_any_order():
    x = blobs(dim=50).half()
    whole = polish(x[:9].float(), [[x]] * 5)
    orders = [torch.randperm(len(x), generator=generator()) for _ in range(5)]
    assert torch.equal(whole, polish(x[:9].float(), [x[o].split(33) for o in orders]))


def test_a_point_whose_cell_is_empty_stays():
    far = torch.full((1, 3), 100.0)
    points = polish(torch.cat([blobs()[:2], far]), [[blobs()]] * 3)
    assert torch.equal(points[2:], far)


def test_a_whole_store_is_streamed_irrespective_of_class(
    make_store: Callable[[list[torch.Tensor]], LatentStore],
):
    x = blobs(400, 12)
    store = make_store([z.reshape(-1, 3, 2, 2).half() for z in x.split([150, 50, 200])])

    def chunks(number: int) -> Iterator[torch.Tensor]:
        rows = keyed.permutation(sum(store.counts), "chunks", number)
        return (store.gather(part)[0].flatten(1) for part in rows.split(64))

    points = CLVQ().stream(chunks, 9, generator=generator())
    converged = KMeans(9, n_init=8, random_state=0).fit(x.numpy()).inertia_ / len(x)
    assert distortion(x, points) <= 1.1 * converged


def test_an_empty_stream_is_refused():
    with pytest.raises(UsageError, match="stream is empty"):
        CLVQ().stream(lambda _: [], 3, generator=generator())


RANKS = """
import torch
from ddoq.quantize.clvq import CLVQ
from ddoq.processes.world import launch

world = launch({"accelerator": "cpu", "devices": 2, "strategy": "ddp"})
share = torch.load("x.pt").tensor_split([300])[world.rank]
solver = CLVQ(chunk=64, passes=2)
points = solver.stream(
    lambda _: share.split(64), 9, generator=torch.Generator().manual_seed(0), world=world
)
torch.save(points, f"points{world.rank}.pt")
"""


@pytest.mark.slow
def test_two_ranks_polish_as_one_bit_for_bit(
    tmp_path: Path, environment: dict[str, str], warm: str
):
    x = blobs(dim=50).half()
    torch.save(x, tmp_path / "x.pt")
    (tmp_path / "ranks.py").write_text(RANKS)
    command = [warm, "ranks.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    steps = CLVQ(chunk=64, passes=2, polish=0)
    start = steps.stream(lambda _: x[:300].split(64), 9, generator=generator())
    alone = polish(start, ([x] for _ in range(20)))
    assert not torch.equal(alone, start)
    assert all(torch.equal(torch.load(tmp_path / f"points{r}.pt"), alone) for r in range(2))


@pytest.mark.parametrize("settings", [{"chunk": 0}, {"passes": 0}])
def test_zero_of_anything_is_refused(settings: dict[str, int]):
    with pytest.raises(UsageError, match="at least 1"):
        CLVQ(**settings)
