"""Which real images do the rules choose, and are they the right ones?"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ddoq import recipe
from ddoq.distillers.coresets import SelectionRule, farthest_first, herd, herding, k_center
from ddoq.distillers.provable import provable
from ddoq.errors import UsageError
from ddoq.evaluation.rows import entries
from ddoq.run import Run
from ddoq.size import Size
from ddoq.synthetic import SyntheticSet

RULES = [herd, farthest_first]
FEATURES = ["latents", "pixels", "teacher"]
# Whole numbers: float32 sums of them are exact, so ties are ties.
ROWS = st.integers(1, 3).flatmap(
    lambda dim: st.lists(
        st.lists(st.integers(-9, 9), min_size=dim, max_size=dim), min_size=1, max_size=12
    )
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return digits(tmp_path_factory.mktemp("cache"))


def digits(cache: Path, *overrides: str) -> Run:
    return Run(recipe.read(["recipe=digits", f"cache={cache}", *overrides]).recipe)


def line(*values: float) -> torch.Tensor:
    return torch.tensor(values).float()[:, None]


def sources(synthetic: SyntheticSet) -> torch.Tensor:
    return torch.tensor(synthetic.columns["source"])


def test_herding_on_a_line_balances_around_the_mean():
    # The mean is 5: 5.5 is nearest, (5.5 + 4) / 2 next, then (9.5 + 7) / 3.
    assert herd(line(0, 4, 5.5, 7, 8.5), 3).tolist() == [2, 1, 3]
    # The mean is 4: 3, then sums nearest to 8, 12, 16 and 20.
    assert herd(line(0, 1, 2, 3, 14), 5).tolist() == [3, 2, 1, 4, 0]


def test_k_center_on_a_line_takes_the_ends_and_then_the_middle_of_the_largest_gap():
    assert farthest_first(line(0, 1, 2, 3, 4, 10), 4).tolist() == [3, 5, 0, 1]


@given(ROWS, st.integers(0, 14))
def test_herding_is_the_greedy_search_by_brute_force(rows: list[list[int]], k: int):
    x, chosen = np.array(rows, dtype=np.float64), []
    for number in range(1, min(k, len(x)) + 1):
        free = [i for i in range(len(x)) if i not in chosen]
        # Scaled by both counts, so that whole numbers are compared.
        misses = [
            np.square(number * x.sum(0) - len(x) * (x[chosen].sum(0) + x[i])).sum() for i in free
        ]
        best = min(misses)
        found = int(herd(torch.tensor(rows).float(), number)[-1])
        # The mean is rounded: of exact equals another may be taken, never a worse one.
        assert misses[free.index(found)] == pytest.approx(best, rel=1e-5, abs=1e-5)
        chosen.append(found)
    assert herd(torch.tensor(rows).float(), k).tolist() == chosen


@given(ROWS, st.integers(1, 14))
def test_farthest_first_is_the_greedy_search_by_brute_force(rows: list[list[int]], k: int):
    x = np.array(rows, dtype=np.float64)
    found = farthest_first(torch.tensor(rows).float(), k).tolist()
    to_mean = np.square(len(x) * x - x.sum(0)).sum(1)
    assert to_mean[found[0]] == to_mean.min()
    chosen = found[:1]
    while len(chosen) < min(k, len(x)):
        gaps = np.square(x[:, None] - x[chosen]).sum(2).min(1)
        gaps[chosen] = -1
        chosen.append(int(gaps.argmax()))
    assert found == chosen


@given(st.integers(0, 2**31), st.integers(2, 9))
def test_farthest_first_covers_within_twice_the_best(seed: int, num: int):
    x = np.random.default_rng(seed).normal(size=(num, 2)).astype(np.float32)
    gaps = np.linalg.norm(x[:, None] - x, axis=2)

    def radius(centers: list[int] | tuple[int, ...]) -> float:
        return float(gaps[:, list(centers)].min(1).max())

    best = min(map(radius, combinations(range(num), 2)))
    assert radius(farthest_first(torch.tensor(x), 2).tolist()) <= 2 * best + 1e-5


def test_the_error_of_the_herded_mean_falls_faster_than_that_of_random_rows():
    x = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))
    order = herd(x, 500)
    errors = {k: float((x[order[:k]].mean(0) - x.mean(0)).norm()) for k in (1, 10, 100, 500)}
    assert errors[10] < errors[1] / 3
    assert errors[100] < errors[10] / 5
    assert errors[500] < 1e-6
    # The standard error of 100 random rows of 8 normal features.
    assert errors[100] < (8 / 100) ** 0.5 / 10


@pytest.mark.parametrize("rule", RULES)
def test_more_rows_than_there_are_are_all_of_them_once(rule: SelectionRule):
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    assert sorted(rule(x, 99).tolist()) == list(range(7))
    assert rule(x, 0).tolist() == []


@pytest.mark.parametrize("rule", RULES)
def test_of_equal_rows_the_first_is_taken(rule: SelectionRule):
    # Wide enough for several chunks, with numbers left over for every lane of a vector unit.
    row = torch.randn(1, 4099, generator=torch.Generator().manual_seed(2))
    assert rule(row.repeat(60, 1), 4).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("rule", RULES)
def test_a_shorter_choice_is_the_beginning_of_a_longer_one(rule: SelectionRule):
    x = torch.randn(300, 5, generator=torch.Generator().manual_seed(3))
    assert torch.equal(rule(x, 9), rule(x, 40)[:9])


@pytest.mark.parametrize("rule", RULES)
def test_a_far_away_origin_changes_no_choice(rule: SelectionRule):
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(4))
    x = (x * 2**10).round() / 2**10
    assert torch.equal(rule(x, 20), rule(x + 64, 20))


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize(("make", "rule"), [(herding, herd), (k_center, farthest_first)])
def test_the_images_are_those_whose_features_were_chosen(run: Run, make, rule, features: str):
    made = make(images_per_class=3, features=features).distill(run.images, run, 0)
    pixels, labels = run.images.pixels("train"), run.images.train.labels
    assert torch.equal(made.images, pixels[sources(made)])
    assert torch.equal(made.labels, labels[sources(made)])
    assert made.labels.tolist() == torch.arange(10).repeat_interleave(3).tolist()
    assert made.weights.tolist() == [1.0] * 30
    of_seven = torch.nonzero(labels == 7).flatten()
    floats = pixels[of_seven].float() / 255
    known = {
        "latents": run.autoencoder.encode(floats).half().float(),
        "pixels": floats,
        "teacher": run.teacher(floats),
    }
    expected = of_seven[rule(known[features].detach().flatten(1), 3)]
    assert sources(made)[21:24].tolist() == expected.tolist()


def test_its_provenance_names_the_rule_and_the_features(run: Run):
    made = k_center(images_per_class=2, features="pixels").distill(run.images, run, 0)
    assert made.provenance["distiller"] == "k_center"
    assert made.provenance["features"] == "pixels"


def test_the_first_herded_image_is_the_one_nearest_to_the_mean(run: Run):
    made = herding(images_per_class=1).distill(run.images, run, 0)
    centers = k_center(images_per_class=1).distill(run.images, run, 0)
    assert made.fingerprint == centers.fingerprint
    latents = run.latents.latents(4).flatten(1).double()
    row = int((latents - latents.mean(0)).square().sum(1).argmin())
    assert sources(made)[4] == run.latents.index(4)[row]


def test_every_seed_has_the_same_set(run: Run):
    distiller = herding(images_per_class=2)
    first = distiller.distill(run.images, run, 0)
    assert distiller.distill(run.images, run, 5).fingerprint == first.fingerprint


def test_a_finished_choice_is_read_from_the_cache(run: Run):
    distiller = herding(images_per_class=2)
    distiller.distill(run.images, run, 0)
    run.records.clear()
    distiller.distill(run.images, run, 0)
    assert [(r.stage, r.cached) for r in run.records] == [("decoded/coreset", True)]


def test_a_budget_is_spread_evenly_and_spent(run: Run):
    made = herding(budget=37).distill(run.images, run, 0)
    assert made.labels.bincount().tolist() == [4] * 7 + [3] * 3
    assert made.provenance["budget"] == 37


def test_more_images_than_a_class_has_are_the_whole_class(run: Run):
    sizes = run.images.train.labels.bincount().tolist()
    made = k_center(images_per_class=max(sizes) + 5, features="pixels").distill(run.images, run, 0)
    assert made.labels.bincount().tolist() == sizes
    assert sources(made).unique().tolist() == list(range(sum(sizes)))


def test_what_a_small_class_cannot_give_goes_to_the_others():
    assert Size(1, 14).numbers([9, 2, 9]) == [6, 2, 6]
    assert Size(1, 99).numbers([9, 2, 9]) == [9, 2, 9]


@pytest.mark.parametrize(("number", "budget"), [(0, None), (1, 0), (1, -3)])
def test_no_images_at_all_are_refused(number: int, budget: int | None):
    with pytest.raises(UsageError, match="at least 1"):
        Size(number, budget)


def test_an_unknown_feature_is_refused_with_those_there_are(tmp_path: Path):
    with pytest.raises(UsageError, match="one of latents, pixels, teacher"):
        digits(tmp_path, "distiller=herding", "distiller.features=gist")


def test_every_seed_draws_a_provable_set_of_its_own_and_keeps_it(run: Run):
    distiller = provable(images_per_class=4, features="pixels")
    first, other = (distiller.distill(run.images, run, seed) for seed in (0, 1))
    assert first.fingerprint != other.fingerprint
    run.records.clear()
    assert distiller.distill(run.images, run, 0).fingerprint == first.fingerprint
    assert [(r.stage, r.cached) for r in run.records] == [("decoded/coreset", True)]
    assert distiller.redraws == "always"
    for made in (first, other):
        assert made.labels.tolist() == torch.arange(10).repeat_interleave(4).tolist()
        assert torch.equal(run.images.train.labels[sources(made)], made.labels)
        assert len(set(sources(made).tolist())) == 40
        assert made.weights.tolist() == [1.0] * 40


@pytest.mark.parametrize("by", ["sensitivity", "leverage"])
def test_inverse_weights_total_what_equal_ones_do_and_give_unbiased_means(run: Run, by: str):
    made = [
        provable(images_per_class=20, features="pixels", by=by, weights="inverse").distill(
            run.images, run, seed
        )
        for seed in range(12)
    ]
    pixels = run.images.pixels("train")[run.images.train.labels == 3].double().mean()
    means = []
    for synthetic in made:
        own = synthetic.labels == 3
        assert float(synthetic.weights[own].sum()) == pytest.approx(20)
        gray = synthetic.images[own].double().flatten(1).mean(1)
        means.append(float((synthetic.weights[own] * gray).sum()) / 20)
    error = np.std(means, ddof=1) / len(means) ** 0.5
    assert abs(np.mean(means) - float(pixels)) < 3.5 * error


def test_a_small_class_is_taken_whole_by_a_draw(run: Run):
    sizes = run.images.train.labels.bincount().tolist()
    made = provable(images_per_class=max(sizes), features="pixels").distill(run.images, run, 0)
    assert made.labels.bincount().tolist() == sizes


def test_a_row_of_provable_sets_has_one_for_each_seed(tmp_path: Path):
    wanted = digits(tmp_path, "distiller={name: provable, by: leverage, features: pixels}")
    [first, *_] = entries(wanted.recipe)
    assert first.redraw
    assert first.labels["distiller"] == "provable"
    keys = [first.made.stages(wanted, seed)[-1].key for seed in (0, 1)]
    assert keys[0] != keys[1]
    assert not any("seed" in p.key for p in herding().stages(wanted, 0)[1:])


def test_a_row_of_the_table_is_drawn(run: Run, tmp_path: Path):
    wanted = digits(tmp_path, "distiller=herding", "distiller.features=pixels")
    [first, *_] = entries(wanted.recipe)
    assert first.labels == {"distiller": "herding", "decoder": "-", "weighting": "-"}
    assert len(first.made.distill(run.images, run, 0)) == 100
