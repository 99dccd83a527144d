import pytest
import torch

pytest.importorskip("benchmarks", reason="benchmarks are not in the sdist")

from benchmarks.ablate.spectrum import average, spectrum


def test_the_spectrum_of_known_variances():
    # Ten directions with +-a each: variances a^2 / 10, of which the largest has 82 %.
    scales = torch.tensor([9.0, 3.0, *[1.0] * 8])
    found = spectrum(torch.cat([torch.diag(scales), -torch.diag(scales)]), "one")
    variances = scales.square() / 10
    assert found.variance == pytest.approx(9.8, rel=1e-5)
    assert found.effective_dimension == pytest.approx(
        float(variances.sum() ** 2 / variances.square().sum()), rel=1e-5
    )
    # 81, 90, then 91 to 98, of 98.
    assert (found.directions_50, found.directions_90, found.directions_99) == (1, 2, 10)


def test_the_average_is_over_classes():
    isotropic = torch.cat([torch.eye(4), -torch.eye(4)])
    both = [spectrum(isotropic, "a"), spectrum(isotropic * torch.tensor([1.0, 0, 0, 0]), "b")]
    mean = average(both)
    assert (mean["effective_dimension"], mean["directions_90"]) == pytest.approx((2.5, 2.5))
