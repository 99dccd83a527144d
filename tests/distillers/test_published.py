"""Are the rivals the method with their settings, and one and the same at one image per class?"""

from pathlib import Path
from typing import Any

import pytest
import torch

from ddoq import recipe
from ddoq.api import distill
from ddoq.errors import UsageError
from ddoq.evaluation.rows import entries
from ddoq.recipe import Recipe
from ddoq.recipe.component import build
from ddoq.recipe.kinds import KINDS
from ddoq.run import Run
from ddoq.synthetic import SyntheticSet

RIVALS = ["d4m", "ddoq/paper", "nearest"]
# The method with a rival's settings, spelled out.
AS_D4M = ["distiller.solver=d4m", "distiller.folds=0"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def digits(cache: Path, number: int, *overrides: str) -> SyntheticSet:
    size = f"distiller.images_per_class={number}"
    return distill("digits", f"cache={cache}", "decoder=plain", *overrides, size)


def read(*overrides: str) -> Recipe:
    return recipe.read(["recipe=digits", *overrides]).recipe


def test_d4m_is_the_method_with_its_solver_and_no_weights(cache: Path):
    rival = digits(cache, 4, "distiller=d4m")
    method = digits(cache, 4, *AS_D4M, "weighting=uniform")
    assert rival.fingerprint == method.fingerprint
    assert torch.equal(rival.latents, method.latents)
    assert rival.weights.tolist() == [1.0] * len(rival)


def test_the_paper_weighs_the_points_of_d4m_by_the_roots_of_its_own_counts(cache: Path):
    rival, d4m = (digits(cache, 4, f"distiller={name}") for name in ("ddoq/paper", "d4m"))
    assert torch.equal(rival.images, d4m.images)
    masses = torch.tensor(rival.columns["mass"]).double()
    roots = masses.sqrt()
    of_class = torch.zeros(10).double().index_add(0, rival.labels, roots)[rival.labels]
    expected = roots / of_class * len(rival) / 10
    torch.testing.assert_close(rival.weights, expected)
    assert rival.fingerprint == digits(cache, 4, *AS_D4M, "weighting=root").fingerprint


def test_the_masses_of_the_paper_are_not_those_of_the_final_cells(cache: Path):
    streamed = digits(cache, 4, "distiller=ddoq/paper").columns["mass"]
    final = "distiller={name: ddoq, folds: 0, solver: {name: d4m, streaming_counts: false}}"
    assert streamed != digits(cache, 4, final).columns["mass"]


@pytest.mark.parametrize("weighting", ["mass", "uniform"])
def test_nearest_is_the_method_with_real_images_in_place_of_its_points(cache: Path, weighting: str):
    given = [f"weighting={weighting}"]
    rival = digits(cache, 3, "distiller=nearest", *given)
    method = digits(cache, 3, "decoder=nearest", "distiller.folds=0", *given)
    assert rival.fingerprint == method.fingerprint
    real = Run(read(f"cache={cache}")).images.pixels("train")
    assert all((real == image).flatten(1).all(1).any() for image in rival.images)


@pytest.mark.parametrize("name", RIVALS)
def test_classes_weigh_their_share_of_the_images_if_asked_for(cache: Path, name: str):
    made = digits(cache, 2, f"distiller={name}", "distiller.class_prior=data")
    totals = torch.zeros(10).double().index_add(0, made.labels, made.weights.double())
    counts = Run(read(f"cache={cache}")).images.counts.double()
    torch.testing.assert_close(totals, 20 * counts / counts.sum())


@pytest.mark.parametrize(
    ("rival", "method", "decoder"),
    [
        ({"name": "d4m", "images_per_class": 4}, AS_D4M, "plain"),
        ({"name": "nearest", "images_per_class": 4}, ["distiller.folds=0"], "nearest"),
        ({"name": "nearest", "budget": 37}, ["distiller.budget=37"], "nearest"),
    ],
)
def test_rival_and_method_share_their_stages(
    cache: Path, rival: dict[str, Any], method: list[str], decoder: str
):
    run = Run(read(f"cache={cache}", f"decoder={decoder}"))
    nouns = {"decoder": run.recipe.decoder, "weighting": {"name": "uniform"}}
    size = f"distiller.images_per_class={rival.get('images_per_class', 10)}"
    same = run.make("distiller", read(size, *method).distiller, **nouns)
    assert run.make("distiller", rival, **nouns).stages(run, 0) == same.stages(run, 0)


def test_the_solver_is_d4ms_script():
    made = build(KINDS, "distiller", {"name": "d4m"}, decoder={"name": "plain"})
    assert made._points.solver == {
        "name": "d4m",
        "expand": 1,
        "passes": 1,
        "reassign": True,
        "drop_tail": True,
        "streaming_counts": True,
    }


@pytest.mark.parametrize("decoder", ["plain", "dit", "nearest"])
def test_at_one_image_per_class_all_weightings_and_d4m_are_one_set(cache: Path, decoder: str):
    given = [] if decoder == "dit" else [f"decoder={decoder}"]
    method = [f"cache={cache}", *given, "distiller.folds=0"]
    sets = [distill("digits", *method, f"weighting={w}") for w in ("uniform", "mass", "root")]
    rivals = [
        distill(
            "digits", f"cache={cache}", *given, f"distiller={n}", "distiller.images_per_class=1"
        )
        for n in ("d4m", "ddoq/paper")
    ]
    assert len({s.fingerprint for s in [*sets, *rivals]}) == 1


def test_at_one_image_per_class_d4ms_point_is_the_mean_of_the_class(cache: Path):
    points = digits(cache, 1, "distiller=d4m").latents
    store = Run(read(f"cache={cache}")).latents
    means = torch.stack([store.latents(c).double().mean(0) for c in range(10)])
    torch.testing.assert_close(points.double(), means, rtol=0, atol=2e-6)


def test_with_larger_chunks_the_lost_tail_moves_d4ms_point_off_the_mean(cache: Path):
    wide = "distiller={name: ddoq, folds: 0, solver: {name: d4m, expand: 10}}"
    points = digits(cache, 1, wide).latents
    whole = digits(cache, 1, "distiller=d4m").latents
    assert float((points - whole).abs().max()) > 1e-3


@pytest.mark.parametrize("name", RIVALS)
def test_a_set_says_by_which_rival_it_was_made(cache: Path, name: str):
    assert digits(cache, 1, f"distiller={name}").provenance["distiller"] == name


def test_a_name_with_a_slash_is_an_entry_and_not_a_family():
    [row, *_] = entries(read("distiller=ddoq/paper", "evaluation.decoders=[]"))
    assert row.labels == {"distiller": "ddoq/paper", "decoder": "dit", "weighting": "-"}
    made = build(KINDS, "distiller", row.distiller, decoder=row.decoder, model="paper")
    assert (made.name, made.size.per_class) == ("ddoq/paper", 10)
    with pytest.raises(UsageError, match="there is no 'ddoq/papers'"):
        read("distiller=ddoq/papers")


@pytest.mark.parametrize("name", ["d4m", "ddoq/paper"])
def test_a_rival_takes_no_setting_but_its_size(name: str):
    with pytest.raises(UsageError, match="takes no 'solver'"):
        read(f"distiller={name}", "distiller.solver=lloyd")


def test_a_rival_has_a_row_for_each_decoder_it_asks_for():
    rows = {n: [e.labels["decoder"] for e in entries(read(f"distiller={n}"))] for n in RIVALS}
    assert rows["d4m"][:3] == rows["ddoq/paper"][:3] == ["dit", "plain", "nearest"]
    assert set(rows["nearest"]) == {"-"}
