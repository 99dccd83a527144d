import os
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from lightning import Trainer

from ddoq.data.latents import LatentStore
from ddoq.errors import IntegrityError, UsageError
from ddoq.files.tensors import write_tensors
from ddoq.processes.world import World
from ddoq.quantize.clvq import CLVQ
from ddoq.quantize.lloyd import Lloyd
from ddoq.quantize.one_class import NO_SHRINKAGE, Shrinkage, quantize_class
from ddoq.quantize.quantization import Quantization
from ddoq.quantize.quantizer import part, quantize


def normals(n: int, *shape: int) -> torch.Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(n))


Store = Callable[[list[torch.Tensor]], LatentStore]
Make = Callable[..., Trainer]


def run(store: LatentStore, trainer: Trainer, work: Path, *number: int, **changes) -> Quantization:
    """Quantize with three points in each class, or with some number each."""
    work.mkdir(exist_ok=True)
    settings = {"solver": Lloyd(restarts=2), "seed": 0, "shrinkage": NO_SHRINKAGE, **changes}
    numbers = number or [3] * len(store.counts)
    quantize(store, trainer=trainer, work=work, num_points=numbers, world=World(), **settings)
    return Quantization.load(work)


def test_all_classes_are_quantized_and_put_in_order(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    classes = [normals(20, 2), normals(31, 2) + 50, normals(25, 2) - 50]
    result = run(make_store(classes), make_trainer(), tmp_path / "work")
    assert result.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert result.class_counts.tolist() == [20, 31, 25]
    assert (result.points.sum(1) / 100).round().tolist() == [0] * 3 + [1] * 3 + [-1] * 3


def test_only_the_quantization_is_left_in_the_workspace(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    run(make_store([normals(20, 2)]), make_trainer(), tmp_path / "work")
    assert [f.name for f in (tmp_path / "work").iterdir()] == ["quantization.safetensors"]


def test_a_class_does_not_depend_on_the_other_classes(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    first = normals(20, 2)
    both = run(make_store([first, normals(31, 2)]), make_trainer(), tmp_path / "both")
    (tmp_path / "latents").rename(tmp_path / "before")
    alone = run(make_store([first]), make_trainer(), tmp_path / "alone")
    assert torch.equal(both.points[:3], alone.points)


def test_each_class_has_its_own_number_of_points(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    classes = [normals(20, 2), normals(31, 2), normals(0, 2), normals(9, 2)]
    result = run(make_store(classes), make_trainer(), tmp_path / "work", 5, 1, 0, 2)
    assert torch.bincount(result.labels, minlength=4).tolist() == [5, 1, 0, 2]
    assert result.requested.tolist() == [5, 1, 0, 2]


RAGGED = [normals(n, 2, 3) for n in (20, 31, 25, 6, 40, 0, 3)]
NUMBERS = (3, 3, 4, 4, 4, 0, 3)


@pytest.mark.parametrize("shrinkage", [NO_SHRINKAGE, Shrinkage("directions", 1.0)])
def test_classes_in_groups_are_as_good_as_one_at_a_time(
    make_store: Store, make_trainer: Make, tmp_path: Path, shrinkage: Shrinkage
):
    store = make_store(RAGGED)
    alone, groups = (
        run(store, make_trainer(), tmp_path / f"{b}", *NUMBERS, batch=b, shrinkage=shrinkage)
        for b in (1, 3)
    )
    assert torch.equal(groups.labels, alone.labels)
    torch.testing.assert_close(groups.distortions, alone.distortions, rtol=1e-5, atol=1e-9)


def test_another_solver_takes_the_classes_of_a_group_one_by_one(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    store, settings = make_store(RAGGED), {"solver": CLVQ(chunk=8)}
    alone, groups = (
        run(store, make_trainer(), tmp_path / f"{b}", *NUMBERS, batch=b, **settings) for b in (1, 3)
    )
    assert torch.equal(groups.points, alone.points)


class Theirs:
    """A user's own solver: the first latents are the points. It notes how it was asked."""

    is_fork_safe = True

    def __init__(self, folder: Path) -> None:
        self._folder, self.groups = folder, []

    def __call__(self, latents: torch.Tensor, num_points: int, *, generator) -> torch.Tensor:
        (self._folder / f"pid-{len(latents)}").write_text(str(os.getpid()))
        time.sleep(0.05)  # or one process might do them all
        return latents[:num_points].float()

    def several(self, classes, num_points: int, *, generators) -> list[torch.Tensor]:
        assert len(classes) == len(generators)
        self.groups.append({len(z) for z in classes})
        return [z[:num_points].float() for z in classes]


def test_a_users_solver_is_given_the_classes_of_a_group_at_once(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    store, solver = make_store(RAGGED), Theirs(tmp_path)
    result = run(store, make_trainer(), tmp_path / "work", *NUMBERS, batch=7, solver=solver)
    assert sorted(map(sorted, solver.groups)) == [[3, 20, 31], [6, 25, 40]]
    expected = [z[:n] for z, n in zip(RAGGED, NUMBERS, strict=True)]
    assert torch.equal(result.points, torch.cat(expected))
    assert list(tmp_path.glob("pid-*")) == []


def test_a_solver_that_wants_its_own_counts_is_asked_for_each_class(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    class Uneven(Theirs):
        streaming_counts = True

        def with_counts(self, latents, num_points: int, *, generator):
            return self(latents, num_points, generator=generator), torch.tensor([3, 1])

    store, solver = make_store([normals(8, 2), normals(9, 2)]), Uneven(tmp_path)
    result = run(store, make_trainer(), tmp_path / "work", 2, 2, batch=2, solver=solver)
    assert result.masses.tolist() == [0.75, 0.25, 0.75, 0.25]


def test_what_a_group_gets_that_are_no_points_is_refused(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    class Wrong(Theirs):
        def several(self, classes, num_points: int, *, generators) -> list[torch.Tensor]:
            return [z[: num_points + 1].float() for z in classes]

    store = make_store([normals(8, 2), normals(9, 2)])
    with pytest.raises(UsageError, match=r"the solver returned .* shape \(3, 2\)"):
        run(store, make_trainer(), tmp_path / "work", 2, 2, batch=2, solver=Wrong(tmp_path))


def test_a_class_that_is_there_already_is_not_done_again(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    store, work = make_store([normals(20, 2), normals(31, 2)]), tmp_path / "work"
    whole = run(store, make_trainer(), tmp_path / "whole")
    work.mkdir()
    stand_in = quantize_class(
        normals(3, 2) + 7, Lloyd(), 1, generator=torch.Generator().manual_seed(0)
    )
    labels = torch.zeros(1, dtype=torch.int64)
    write_tensors(part(work, 0), {**stand_in, "labels": labels})
    result = run(store, make_trainer(), work)
    assert torch.equal(result.points[:1], stand_in["points"])
    assert torch.equal(result.points[1:], whole.points[3:])


class Second(World):
    """What rank 1 sees of two ranks: rank 0 found classes 0 and 1 finished."""

    def __init__(self) -> None:
        super().__init__()
        self.rank = 1

    def broadcast(self, value: object) -> list[int]:
        return [0, 1]


def test_what_is_finished_is_what_the_first_rank_sees(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    store = make_store([torch.randn(6, 2) for _ in range(3)])
    settings = {"num_points": [2] * 3, "seed": 0, "trainer": make_trainer(), "world": Second()}
    quantize(store, Lloyd(), work=tmp_path, **settings)
    assert [part(tmp_path, c).exists() for c in range(3)] == [False, False, True]


def test_a_call_that_was_stopped_after_its_last_class_is_finished(
    make_store: Store, make_trainer: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store, work = make_store([normals(20, 2), normals(31, 2)]), tmp_path / "work"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Quantization, "join", stop)
        with pytest.raises(KeyboardInterrupt):
            run(store, make_trainer(), work)
    result = run(store, make_trainer(), work)
    assert torch.equal(result.points, run(store, make_trainer(), tmp_path / "whole").points)


def test_of_too_few_images_each_becomes_a_point(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    store = make_store([normals(20, 2), normals(2, 2)])
    result = run(store, make_trainer(), tmp_path / "work")
    assert result.masses[result.labels == 1].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_latents_that_are_not_finite_stop_it_with_class_and_row_named(
    make_store: Store, make_trainer: Make, tmp_path: Path, value: float
):
    bad = normals(20, 2)
    bad[7, 1] = value
    with pytest.raises(IntegrityError, match="class 1: row 7"):
        run(make_store([normals(20, 2), bad]), make_trainer(), tmp_path / "work")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_in_a_group_the_class_is_named(
    make_store: Store, make_trainer: Make, tmp_path: Path, value: float
):
    bad = normals(20, 2)
    bad[7, 1] = value
    with pytest.raises(IntegrityError, match="class 1"):
        run(make_store([normals(20, 2), bad]), make_trainer(), tmp_path / "work", batch=2)


def test_classes_that_are_done_are_counted(make_store: Store, make_trainer: Make, tmp_path: Path):
    advanced: list[int] = []
    run(make_store(RAGGED[:3]), make_trainer(), tmp_path / "work", advance=advanced.append, batch=2)
    assert sum(advanced) == 3


linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks safely")
MANY = [normals(n, 2, 3) for n in (*range(6, 21), 3)]


@pytest.mark.parametrize("shrinkage", [NO_SHRINKAGE, Shrinkage("directions", 1.0)])
def test_processes_side_by_side_give_what_one_gives(
    make_store: Store, make_trainer: Make, tmp_path: Path, shrinkage: Shrinkage
):
    store = make_store(MANY)
    alone, beside = (
        run(store, make_trainer(), tmp_path / f"{p}", processes=p, shrinkage=shrinkage)
        for p in (1, 2)
    )
    for field in fields(Quantization):
        assert torch.equal(getattr(beside, field.name), getattr(alone, field.name))


@linux
def test_processes_share_the_classes_and_tell_when_each_is_done(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    advanced: list[int] = []
    changes = {"solver": Theirs(tmp_path), "advance": advanced.append}
    run(make_store(MANY), make_trainer(), tmp_path / "work", processes=2, **changes)
    assert len(advanced) == len(MANY)
    pids = {file.read_text() for file in tmp_path.glob("pid-*")}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids


def test_processes_go_on_where_an_earlier_call_stopped(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    bad = [*MANY[:3], normals(9, 2, 3), *MANY[3:]]
    bad[3][7, 1] = float("nan")
    work = tmp_path / "work"
    with pytest.raises(IntegrityError, match="class 3: row 7"):
        run(make_store(bad), make_trainer(), work, processes=2)
    (tmp_path / "latents").rename(tmp_path / "bad")
    # The largest classes come first: some were done before the bad one stopped it.
    kept = {file.name: file.stat().st_mtime_ns for file in work.glob("class-*")}
    good = [torch.nan_to_num(z) for z in bad]
    seen: dict[str, int] = {}
    advance = lambda _: seen.update(  # noqa: E731
        {file.name: file.stat().st_mtime_ns for file in work.glob("class-*")}
    )
    run(make_store(good), make_trainer(), work, processes=2, advance=advance)
    assert kept
    assert kept.items() <= seen.items()


def test_few_classes_are_not_worth_processes(make_store: Store, make_trainer: Make, tmp_path: Path):
    run(make_store(MANY[:5]), make_trainer(), tmp_path / "w", solver=Theirs(tmp_path), processes=2)
    pids = {file.read_text() for file in tmp_path.glob("pid-*")}
    assert pids == {str(os.getpid())}


def test_a_solver_that_does_not_say_so_is_not_forked(
    make_store: Store, make_trainer: Make, tmp_path: Path
):
    solver = Theirs(tmp_path)
    solver.is_fork_safe = False
    run(make_store(MANY), make_trainer(), tmp_path / "work", solver=solver, processes=2)
    pids = {file.read_text() for file in tmp_path.glob("pid-*")}
    assert pids == {str(os.getpid())}
