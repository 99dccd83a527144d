import numpy as np
import ot
import pytest
import torch

from ddoq.quantize.functional import assign
from ddoq.quantize.lloyd import Lloyd
from ddoq.quantize.shrinkage import STRENGTHS, shrink
from ddoq.quantize.validation import Trial, cross_validate


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normals(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed))


class Recorded:
    """A user's solver that shares nothing, but remembers what it was given."""

    def __init__(self, **settings) -> None:
        self.given: list[torch.Tensor] = []
        self.found: list[torch.Tensor] = []
        self._solver = Lloyd(**settings)

    def __call__(self, latents, num_points, *, generator):
        self.given.append(latents)
        self.found.append(self._solver(latents, num_points, generator=generator))
        return self.found[-1]


def folds(x: torch.Tensor, solver: Recorded) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What was fitted and, the rest of the latents, what was held out."""
    return [(fitted, x[~(x[:, None] == fitted).all(2).any(1)]) for fitted in solver.given]


def find(trials: list[Trial], k: int, towards: str = "none", strength: float = 0.0) -> Trial:
    (found,) = [
        t for t in trials if (t.num_points, t.towards, t.strength) == (k, towards, strength)
    ]
    return found


def test_folds_are_disjoint_and_hold_every_latent_once():
    x, solver = normals(23, 2), Recorded()
    cross_validate(x, solver, [1], folds=4, generator=generator())
    held = torch.cat([out for _, out in folds(x, solver)])
    assert sorted(held.tolist()) == sorted(x.tolist())
    assert [len(out) for _, out in folds(x, solver)] == [6, 6, 6, 5]


@pytest.mark.parametrize(("num", "dim"), [(40, 3), (12, 30)])
def test_one_point_comes_as_close_as_the_mean_of_the_other_folds(num: int, dim: int):
    x, solver = normals(num, dim) + 3, Recorded()
    trial = find(cross_validate(x, solver, [1], folds=4, generator=generator()), 1)
    squares = [
        ((out.double() - fit.double().mean(0)) ** 2).sum(1).numpy() for fit, out in folds(x, solver)
    ]
    held = np.concatenate(squares)
    assert trial.held_out == pytest.approx(held.mean(), rel=1e-5)
    assert trial.error == pytest.approx(held.std(ddof=1) / num**0.5, rel=1e-4)


@pytest.mark.parametrize("towards", ["none", "mean", "directions"])
def test_distortions_are_those_of_the_shrunk_points(towards):
    x, solver, strength = normals(60, 4), Recorded(), 0.0 if towards == "none" else 2.0
    trials = cross_validate(x, solver, [5], folds=3, generator=generator())
    fitted, held = [], []
    for (fit, out), points in zip(folds(x, solver), solver.found, strict=True):
        counts = torch.bincount(assign(fit, points)[0], minlength=5).float()
        moved = shrink(fit, points, counts, towards=towards, strength=strength)
        fitted.append(assign(fit, moved)[1])
        held.append(assign(out, moved)[1])
    trial = find(trials, 5, towards, strength)
    assert trial.fitted == pytest.approx(float(torch.cat(fitted).mean()), rel=1e-4)
    assert trial.held_out == pytest.approx(float(torch.cat(held).mean()), rel=1e-4)


@pytest.mark.parametrize("dim", [3, 60])
def test_w2_is_that_of_held_out_latents_and_the_masses_of_the_fit(dim: int):
    x, solver = normals(50, dim), Recorded()
    trial = find(cross_validate(x, solver, [4], folds=2, generator=generator()), 4)
    exact = []
    for (fit, out), points in zip(folds(x, solver), solver.found, strict=True):
        masses = torch.bincount(assign(fit, points)[0], minlength=4) / len(fit)
        costs = ot.dist(out.double().numpy(), points.double().numpy())
        exact.append(ot.emd2(ot.unif(len(out)), masses.double().numpy(), costs))
    assert trial.w2_squared == pytest.approx(sum(exact) / 2, rel=1e-4)
    assert trial.w2_squared >= trial.held_out * (1 - 1e-6)


def test_every_shrinkage_is_tried_and_the_best_knows_its_w2():
    trials = cross_validate(normals(40, 3), Lloyd(), [2, 6], folds=4, generator=generator())
    assert len(trials) == 2 * (1 + 2 * (len(STRENGTHS) - 1))
    for towards in ("none", "mean", "directions"):
        own = [t for t in trials if (t.num_points, t.towards) == (6, towards)]
        assert min(own, key=lambda t: t.held_out).w2_squared is not None


@pytest.mark.parametrize("products", ["held", "asked"])
def test_sharing_the_products_changes_nothing(products):
    x = normals(90, 8) + 4
    shared, apart = (
        cross_validate(x, solver, [3, 12], folds=3, generator=generator())
        for solver in (Lloyd(products=products), Recorded(products=products))
    )
    for one, other in zip(shared, apart, strict=True):
        assert one.fitted == pytest.approx(other.fitted, rel=1e-4)
        assert one.held_out == pytest.approx(other.held_out, rel=1e-4)


def test_a_users_solver_may_share_work_between_folds():
    class Ours(Recorded):
        def of_rows(self, latents, most_points):
            asked.append((len(latents), most_points))
            return lambda rows, k, generator: self(latents[rows], k, generator=generator)

    asked: list[tuple[int, int]] = []
    shared, apart = (
        cross_validate(normals(30, 3), solver, [2, 4], folds=3, generator=generator())
        for solver in (Ours(), Recorded())
    )
    assert asked == [(30, 4)]
    assert shared == apart


def test_numbers_of_points_that_a_fold_cannot_have_are_left_out():
    trials = cross_validate(normals(10, 2), Lloyd(), [1, 4, 5, 6], folds=2, generator=generator())
    assert {t.num_points for t in trials} == {1, 4}
    assert cross_validate(normals(10, 2), Lloyd(), [9], folds=2, generator=generator()) == []


def test_a_constant_class_has_no_distortion():
    trials = cross_validate(torch.full((20, 3), 0.3), Lloyd(), [2], folds=2, generator=generator())
    assert {(t.fitted, t.held_out, t.w2_squared or 0.0) for t in trials} == {(0.0, 0.0, 0.0)}
