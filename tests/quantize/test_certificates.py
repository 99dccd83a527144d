from pathlib import Path

import ot
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ddoq.data.latents import LatentStore
from ddoq.quantize.certificates import certify
from ddoq.quantize.d4m import D4M
from ddoq.quantize.lloyd import Lloyd
from ddoq.quantize.one_class import quantize_class
from ddoq.quantize.quantization import Quantization
from ddoq.quantize.validation import Trial


def normals(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


CLASSES = [normals(60, 2, 3) + 20, normals(0, 2, 3), normals(80, 2, 3, seed=1)]
NAMES = ("a", "none", "c")


class Held(LatentStore):
    """A store in memory."""

    def latents(self, label: int) -> torch.Tensor:
        return CLASSES[label]


def quantized() -> Quantization:
    parts = [
        quantize_class(x, Lloyd(), 6, generator=torch.Generator().manual_seed(0)) for x in CLASSES
    ]
    labels = [torch.full_like(p["counts"], c) for c, p in enumerate(parts)]
    return Quantization(
        labels=torch.cat(labels), **{k: torch.cat([p[k] for p in parts]) for k in parts[0]}
    )


WHOLE = quantized()


def rows(weights: torch.Tensor, exact=(), **settings):
    store = Held(Path(), {})
    return certify(WHOLE, weights, class_names=NAMES, store=store, exact=exact, **settings)


@pytest.mark.parametrize("exact", [(), (0, 1, 2)])
def test_under_the_masses_w2_is_that_of_the_cells(exact):
    for row in rows(3 * WHOLE.masses, exact):
        assert row["weights_w2"] == pytest.approx([row["w2"]] * 2, rel=1e-6)
        assert row["weights_effective_size"] == pytest.approx(row["effective_size"])


@given(st.integers(0, 10**6))
def test_the_bounds_enclose_the_exact_value_of_any_weights(seed: int):
    weights = normals(12, seed=seed).mul(2).exp().double()
    bounds, exact = rows(weights), rows(weights, (0, 2))
    for label in (0, 2):
        low, high = bounds[label]["weights_w2"]
        assert low * (1 - 1e-6) <= exact[label]["weights_w2"][0] <= high * (1 + 1e-6)


def test_the_bounds_are_those_of_the_triangle_inequality():
    part = Quantization(
        points=torch.tensor([[0.0], [0.5]]),
        labels=torch.tensor([0, 0]),
        counts=torch.tensor([3, 1]),
        masses=torch.tensor([0.75, 0.25], dtype=torch.float64),
        distortions=torch.tensor([0.04], dtype=torch.float64),
        requested=torch.tensor([2]),
    )
    (row,) = certify(part, torch.ones(2), class_names=("a",))
    # A quarter of the mass moves by 0.5.
    assert row["weights_w2"] == pytest.approx([0.2, 0.2 + 0.25])


def test_the_exact_value_is_that_of_optimal_transport():
    weights = normals(12).exp().double()
    x, points = CLASSES[2].flatten(1).double(), WHOLE.points[6:].flatten(1).double()
    shares = weights[6:] / weights[6:].sum()
    expected = ot.emd2(ot.unif(80), shares.numpy(), ot.dist(x.numpy(), points.numpy())) ** 0.5
    assert rows(weights, (2,))[2]["weights_w2"] == pytest.approx([expected] * 2, rel=1e-5)


def test_masses_of_a_stream_have_the_w2_of_what_is_stored():
    part = quantize_class(CLASSES[2], D4M(), 6, generator=torch.Generator().manual_seed(0))
    of_all = {name: part[name].expand(3) for name in ("distortions", "requested")}
    stored = Quantization(labels=torch.full((6,), 2), **{**part, **of_all})
    row = certify(stored, stored.masses, class_names=NAMES, store=Held(Path(), {}))[2]
    x, points = CLASSES[2].flatten(1).double().numpy(), part["points"].flatten(1).double().numpy()
    expected = ot.emd2(ot.unif(80), part["masses"].numpy(), ot.dist(x, points)) ** 0.5
    assert row["w2"] == pytest.approx(expected, rel=1e-5)
    assert row["w2"] > 1.01 * row["distortion"] ** 0.5


def test_a_class_without_points_has_zeros():
    row = rows(WHOLE.masses, (1,))[1]
    assert row["class"] == "none"
    assert (row["latents"], row["points"], row["empty_cells"], row["duplicates"]) == (0, 0, 0, 0)
    assert (row["w2"], row["effective_size"], row["weights_w2"]) == (0.0, 0.0, [0.0, 0.0])


def test_empty_cells_and_duplicates_are_counted():
    part = Quantization(
        points=torch.tensor([[1.0], [1.0], [2.0], [5.0]]),
        labels=torch.tensor([0, 0, 0, 1]),
        counts=torch.tensor([4, 0, 3, 2]),
        masses=torch.tensor([4 / 7, 0.0, 3 / 7, 1.0], dtype=torch.float64),
        distortions=torch.tensor([0.25, 4.0], dtype=torch.float64),
        requested=torch.tensor([5, 9]),
    )
    first, second = certify(part, torch.ones(4), class_names=("a", "b"))
    assert (first["empty_cells"], first["duplicates"], first["w2"]) == (2, 1, 0.5)
    # No more cells than its two latents could be wanted.
    assert (second["empty_cells"], second["duplicates"]) == (1, 0)


def test_the_effective_size_is_one_over_the_sum_of_squared_shares():
    weights = torch.tensor([1.0] * 6 + [1.0, 3.0, 0.0, 0.0, 0.0, 0.0])
    first, _, last = rows(weights)
    assert first["weights_effective_size"] == pytest.approx(6)
    assert last["weights_effective_size"] == pytest.approx(1 / (0.25**2 + 0.75**2))
    assert last["weights_effective_share"] == pytest.approx(1.6 / 6)


def test_what_held_out_latents_say_stands_beside_it():
    trial = Trial(6, "none", 0.0, fitted=1.0, held_out=3.0, error=0.1, w2_squared=4.0)
    first, _, last = rows(WHOLE.masses, held_out={0: trial})
    assert (first["held_out_distortion"], first["held_out_w2"]) == (3.0, 2.0)
    assert (last["held_out_distortion"], last["held_out_w2"]) == (None, None)
