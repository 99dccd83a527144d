import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.optimize import linprog

from ddoq.errors import IntegrityError
from ddoq.quantize import transport as module
from ddoq.quantize.functional import plus_plus, squared_distances
from ddoq.quantize.transport import Transport, transport, w2_bounds, w2_squared


def costs(n: int, k: int, dim: int = 8, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x, points = (torch.randn(m, dim, generator=generator) for m in (n, k))
    return squared_distances(x, points)


def shares(num: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(num, generator=torch.Generator().manual_seed(seed))


def solved_by_linear_programming(c: torch.Tensor, masses: torch.Tensor, weights: torch.Tensor):
    n, k = c.shape
    rows, columns = np.kron(np.eye(n), np.ones(k)), np.kron(np.ones(n), np.eye(k))
    marginals = [(m.double() / m.double().sum()).numpy() for m in (weights, masses)]
    constraints = np.vstack([rows, columns]), np.concatenate(marginals)
    found = linprog(c.double().numpy().ravel(), A_eq=constraints[0], b_eq=constraints[1])
    return pytest.approx(found.fun, rel=1e-6)


def test_two_points_on_a_line_share_what_lies_between():
    # Latents 0 and 1 of equal weight; three quarters of the mass lie at 0: a quarter goes to 1.
    c = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert w2_squared(c, torch.tensor([3.0, 1.0])) == pytest.approx(0.25)
    assert w2_bounds(c, torch.tensor([3.0, 1.0])) == pytest.approx((0.25, 0.25), rel=1e-3)


@pytest.mark.parametrize(("n", "k"), [(6, 3), (2, 7), (5, 1), (1, 4), (4, 4)])
def test_it_is_what_linear_programming_finds(n: int, k: int):
    c, masses, weights = costs(n, k), shares(k), shares(n, seed=1)
    expected = solved_by_linear_programming(c, masses, weights)
    assert w2_squared(c, masses, weights) == expected


@pytest.mark.parametrize(("n", "k"), [(6, 3), (2, 7), (5, 1), (1, 4), (4, 4), (300, 40), (40, 300)])
def test_the_bounds_enclose_it_within_two_percent(n: int, k: int):
    c, masses, weights = costs(n, k), shares(k), shares(n, seed=1)
    exact = w2_squared(c, masses, weights)
    lower, upper = w2_bounds(c, masses, weights)
    assert lower <= exact * (1 + 1e-9)
    assert exact <= upper * (1 + 1e-9)
    assert upper <= 1.02 * lower


def test_with_the_masses_of_the_cells_it_is_the_distortion():
    c = costs(500, 20)
    masses = torch.bincount(c.argmin(1), minlength=20).float()
    distortion = pytest.approx(float(c.min(1).values.double().mean()), rel=1e-9)
    assert w2_squared(c, masses) == distortion
    assert w2_bounds(c, masses) == (distortion, distortion)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_masses_come_closer(seed: int):
    c = costs(200, 6)
    assert w2_squared(c, shares(6, seed)) > float(c.min(1).values.double().mean())


def test_a_point_without_mass_might_as_well_be_absent():
    c, masses = costs(50, 5), torch.tensor([0.2, 0.0, 0.5, 0.3, 0.0])
    held = masses > 0
    assert w2_squared(c, masses) == pytest.approx(w2_squared(c[:, held], masses[held]))
    assert w2_bounds(c, masses) == w2_bounds(c[:, held], masses[held])


def test_weights_are_repetitions():
    c, masses = costs(4, 3), shares(3)
    repeated = c.repeat_interleave(torch.tensor([3, 0, 1, 2]), 0)
    weighted = w2_squared(c, masses, torch.tensor([3.0, 0.0, 1.0, 2.0]))
    assert weighted == pytest.approx(w2_squared(repeated, masses))


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    c, masses = costs(100, 7), shares(7)
    whole = w2_bounds(c, masses)
    monkeypatch.setattr(module, "_CHUNK_ENTRIES", 30)
    assert w2_bounds(c, masses) == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize("limit", ["MOST_EXACT_ENTRIES", "MOST_EXACT_NODES"])
def test_what_is_too_large_to_solve_is_enclosed(monkeypatch: pytest.MonkeyPatch, limit: str):
    c, masses = costs(60, 5), shares(5)
    exact = w2_squared(c, masses)
    assert transport(c, masses) == Transport(exact, exact, is_exact=True)
    monkeypatch.setattr(module, limit, 64)
    assert transport(c, masses) == Transport(*w2_bounds(c, masses), is_exact=False)


def test_a_problem_left_unsolved_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_MOST_PIVOTS", 1)
    with pytest.raises(IntegrityError, match="w2_bounds"):
        w2_squared(costs(60, 5), shares(5))


@pytest.mark.parametrize("masses", [[0.0, 0.0], [2.0, -1.0], [float("nan"), 1.0]])
def test_masses_that_are_no_shares_are_refused(masses: list[float]):
    with pytest.raises(ValueError, match="masses must be"):
        w2_squared(costs(4, 2), torch.tensor(masses))


@pytest.mark.data
@pytest.mark.parametrize("k", [10, 200])
def test_real_latents_are_enclosed_within_a_permille(k: int):
    file = Path(os.environ.get("DDOQ_TEST_DATA", "")) / "latents-cifar10.safetensors"
    if not file.exists():
        pytest.skip("DDOQ_TEST_DATA names no folder with latents-cifar10.safetensors")
    x = load_file(file)["bird"].flatten(1).float()
    c = squared_distances(x, plus_plus(x, k, torch.Generator().manual_seed(0)))
    exact = w2_squared(c, torch.ones(k))
    lower, upper = w2_bounds(c, torch.ones(k))
    assert 0.999 * exact <= lower <= exact <= upper <= 1.001 * exact
