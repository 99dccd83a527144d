"""Is the map of a class that of its principal components?"""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from ddoq import keyed
from ddoq.report.projection import class_map


def latents(num: int) -> torch.Tensor:
    scales = torch.tensor([5.0, 2.0, 1.0, 0.5, 0.1, 0.1])
    return keyed.normal(keyed.seed_of("latents"), torch.arange(num), (6,)) * scales + 3


def test_places_and_shares_are_those_of_scikit_learn():
    rows = latents(60)
    found = class_map(rows, rows[:5], torch.arange(1.0, 6))
    reference = PCA(2).fit(rows.double().numpy())
    assert found["explained"] == pytest.approx(reference.explained_variance_ratio_, abs=1e-3)
    places = reference.transform(rows[:5].double().numpy())
    # An axis has no sign of its own.
    np.testing.assert_allclose(np.abs(found["points"]), np.abs(places), rtol=1e-3, atol=1e-3)
    assert found["masses"] == pytest.approx([m / 15 for m in range(1, 6)], rel=1e-3)


def test_of_many_latents_some_are_shown_always_the_same():
    rows = latents(1000)
    first, again = (class_map(rows, rows[:1], torch.ones(1)) for _ in range(2))
    assert (len(first["latents"]), first["of"]) == (400, 1000)
    assert first == again


def test_equal_latents_have_one_place():
    found = class_map(torch.ones(5, 4), torch.ones(1, 4), torch.ones(1))
    assert found["latents"] == [[0.0, 0.0]] * 5
    assert found["explained"] == [0.0, 0.0]
