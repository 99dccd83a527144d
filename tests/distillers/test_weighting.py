import pytest
import torch

from ddoq.distillers.weighting import class_priors, mass, root, root_raw, uniform

SHARED = [uniform, mass, root]
MASSES = torch.tensor([0.64, 0.36, 0.5, 0.25, 0.25, 1.0], dtype=torch.float64)
LABELS = torch.tensor([0, 0, 1, 1, 1, 2])
PRIORS = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)


def rounded(weights: torch.Tensor) -> list[float]:
    return [round(float(w), 9) for w in weights]


def test_uniform_weights_share_the_total_of_a_class_equally():
    assert rounded(uniform(MASSES, LABELS, PRIORS)) == [1.5, 1.5, 0.5, 0.5, 0.5, 1.5]


def test_mass_weights_share_it_by_mass():
    assert rounded(mass(MASSES, LABELS, PRIORS)) == [1.92, 1.08, 0.75, 0.375, 0.375, 1.5]


def test_root_weights_share_it_by_the_roots():
    weights = root(MASSES[:2], LABELS[:2], torch.ones(1, dtype=torch.float64))
    assert rounded(weights) == [round(2 * 0.8 / 1.4, 9), round(2 * 0.6 / 1.4, 9)]


def test_raw_roots_are_not_normalized():
    roots = [(k * m) ** 0.5 for k, m in [(2, 0.64), (2, 0.36), (3, 0.5), (3, 0.25), (3, 0.25)]]
    assert rounded(root_raw(MASSES, LABELS)) == [*(round(r, 9) for r in roots), 1.0]


@pytest.mark.parametrize("scheme", SHARED)
def test_a_class_totals_its_prior_share_of_the_number_of_images(scheme):
    totals = torch.zeros(3).double().index_add(0, LABELS, scheme(MASSES, LABELS, PRIORS))
    torch.testing.assert_close(totals, 6 * PRIORS)


@pytest.mark.parametrize("scheme", SHARED)
def test_with_one_image_per_class_every_weight_is_one(scheme):
    ones = torch.ones(4, dtype=torch.float64)
    assert torch.equal(scheme(ones, torch.arange(4), ones / 4), ones)
    assert torch.equal(root_raw(ones, torch.arange(4)), ones)


@pytest.mark.parametrize("scheme", SHARED)
def test_equal_masses_weigh_the_same_in_all_schemes(scheme):
    labels = torch.arange(3).repeat_interleave(5)
    masses, priors = torch.full((15,), 0.2).double(), torch.full((3,), 1 / 3).double()
    torch.testing.assert_close(scheme(masses, labels, priors), torch.ones(15).double())


@pytest.mark.parametrize("k", [1, 3, 7, 10, 49])
def test_uniform_weights_of_equal_classes_are_one_bit_for_bit_in_the_loss(k: int):
    labels = torch.arange(10).repeat_interleave(k)
    masses, priors = torch.rand(10 * k).double(), class_priors(torch.full((10,), 9), "uniform")
    assert torch.equal(uniform(masses, labels, priors).float(), torch.ones(10 * k))


def test_the_priors_of_the_data_are_its_shares():
    assert class_priors(torch.tensor([6, 0, 2]), "data").tolist() == [0.75, 0, 0.25]


def test_uniform_priors_leave_out_a_class_without_images():
    assert class_priors(torch.tensor([6, 0, 2]), "uniform").tolist() == [0.5, 0, 0.5]
