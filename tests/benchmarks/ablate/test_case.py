import pytest
import torch
from scipy.optimize import linprog

pytest.importorskip("benchmarks", reason="benchmarks are not in the sdist")

from benchmarks.ablate.candidates import CANDIDATES
from benchmarks.ablate.case import Case, Row, measure
from benchmarks.ablate.classes import Halves
from ddoq import keyed
from ddoq.quantize.lloyd import Lloyd


def mixture(num: int, seed: int) -> torch.Tensor:
    """Draw from four Gaussians of unequal mass in six dimensions."""
    centers = 4 * keyed.normal(0, torch.arange(4), (6,))
    component = (keyed.uniform(seed, torch.arange(num), 1)[:, 0] ** 2 * 4).long()
    return centers[component] + keyed.normal(seed + 1, torch.arange(num), (6,))


HALVES = Halves(mixture(80, 1), mixture(30, 5))


def measured(solver: str, num_points: int = 5) -> dict[tuple[str, str], Row]:
    rows = measure(Case(0, 0, "one", solver, num_points), HALVES)
    return {(row.shrinkage, row.weighting): row for row in rows}


@pytest.mark.parametrize("solver", [n for n, c in CANDIDATES.items() if not c.keeps_counts])
def test_only_the_masses_bring_w2_down_to_the_distortion(solver: str):
    rows = measured(solver)
    for towards in ("none", "mean", "directions"):
        by_mass = rows[towards, "mass"]
        assert by_mass.w2_fit == pytest.approx(by_mass.distortion_fit, rel=1e-9)
        assert rows[towards, "uniform"].w2_fit > 1.01 * by_mass.w2_fit
        assert by_mass.w2_held_out > by_mass.distortion_held_out


def test_d4ms_own_counts_are_not_the_masses_of_its_cells():
    row = measured("d4m")["none", "mass"]
    assert row.w2_fit > 1.001 * row.distortion_fit


def test_effective_size_counts_equal_weights_in_full():
    rows = measured("lloyd")
    assert rows["none", "uniform"].effective_size == pytest.approx(5)
    root, mass = rows["none", "root"], rows["none", "mass"]
    assert mass.effective_share < root.effective_share < 1


def test_w2_is_that_of_a_linear_program():
    generator = keyed.generator("ablate solver", 0, 0, 5)
    points = Lloyd()(HALVES.fit, 5, generator=generator)
    costs = torch.cdist(HALVES.held_out.double(), points.double()).square()
    num, k = costs.shape
    rows = torch.eye(num).repeat_interleave(k, 1)
    columns = torch.eye(k).repeat(1, num)
    marginals = torch.cat([torch.full((num,), 1 / num), torch.full((k,), 1 / k)])
    plan = linprog(
        costs.flatten().numpy(), A_eq=torch.cat([rows, columns]).numpy(), b_eq=marginals.numpy()
    )
    assert measured("lloyd")["none", "uniform"].w2_held_out == pytest.approx(plan.fun, rel=1e-5)


def test_the_strength_is_not_chosen_on_held_out_latents():
    other = Halves(HALVES.fit, HALVES.held_out + 100)
    rows = measure(Case(0, 0, "one", "lloyd", 30), other)
    expected = {key: row.strength for key, row in measured("lloyd", 30).items()}
    assert {(r.shrinkage, r.weighting): r.strength for r in rows} == expected
    assert expected["directions", "mass"] > 0
