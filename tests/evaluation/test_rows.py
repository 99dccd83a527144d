"""Which rows stand in a table, and what are they called?"""

import pytest

from ddoq import recipe
from ddoq.errors import UsageError
from ddoq.evaluation.rows import entries
from ddoq.protocols.presets import PRESETS
from ddoq.recipe import Recipe
from ddoq.recipe.tables import DISTILLERS


def digits(*overrides: str) -> Recipe:
    return recipe.read(["recipe=digits", *overrides]).recipe


def test_the_method_comes_first_and_its_baselines_after_it() -> None:
    rows = [tuple(e.labels.values()) for e in entries(digits())]
    assert rows == [
        ("ddoq", "dit", "root"),
        ("ddoq", "plain", "root"),
        ("ddoq", "nearest", "root"),
        ("ddoq", "dit", "uniform"),
        ("random", "-", "-"),
        ("full", "-", "-"),
    ]


def test_the_methods_own_decoder_is_not_listed_twice() -> None:
    names = [e.decoder_name for e in entries(digits("decoder=plain"))]
    assert names == ["plain", "nearest", "plain", "-", "-"]


def test_decoders_of_one_name_are_told_apart_by_their_settings() -> None:
    weak = "evaluation.decoders=[{name: dit, strength: 0.05, steps: 20, guidance: 1.5, block: 10}]"
    names = [e.decoder_name for e in entries(digits(weak))[:2]]
    assert names == ["dit(strength=0.15)", "dit(strength=0.05)"]


def test_a_method_without_decoder_and_weighting_is_one_row() -> None:
    rows = [tuple(e.labels.values()) for e in entries(digits("distiller=random"))]
    assert rows == [("random", "-", "-"), ("full", "-", "-")]


def test_uniform_weights_are_no_baseline_of_themselves() -> None:
    weights = [e.weighting["name"] for e in entries(digits("weighting=uniform"))]
    assert weights == ["uniform"] * 3 + ["-"] * 2


def test_an_unknown_baseline_is_refused() -> None:
    with pytest.raises(UsageError, match=r"there is no 'hoarding'.*herding"):
        digits("evaluation.baselines=[hoarding]")


def test_any_distiller_is_a_baseline_of_the_methods_size() -> None:
    wanted = digits("distiller.images_per_class=3", "evaluation.baselines=[herding, d4m, full]")
    rows = [(e.distiller["name"], e.distiller.get("images_per_class")) for e in entries(wanted)]
    assert rows[3:] == [("herding", 3), ("d4m", 3), ("full", None)]


def test_a_baseline_takes_the_budget_or_is_refused() -> None:
    random = entries(digits("distiller.budget=25", "evaluation.baselines=[random]"))[-1]
    assert random.distiller["budget"] == 25
    with pytest.raises(UsageError, match="d4m cannot spread a budget of 25"):
        entries(digits("distiller.budget=25", "evaluation.baselines=[d4m]"))


def test_all_rows_weigh_classes_alike() -> None:
    """A given set alone says itself what its images weigh."""
    rivals = sorted(DISTILLERS.keys() - {"given"})
    wanted = digits(f"evaluation.baselines=[{', '.join(rivals)}]", "distiller.class_prior=data")
    made = {e.distiller["name"]: e.distiller.get("class_prior") for e in entries(wanted)}
    assert made == dict.fromkeys(rivals, "data")


def test_all_rows_but_the_full_data_are_repeated_at_each_size() -> None:
    wanted = digits("evaluation.images_per_class=[1, 10]", "evaluation.decoders=[]")
    rows = [(e.distiller["name"], e.distiller.get("images_per_class")) for e in entries(wanted)]
    one_size = ["ddoq", "ddoq", "random"]
    assert rows == [*((n, 1) for n in one_size), *((n, 10) for n in one_size), ("full", None)]


def test_methods_decoders_and_weightings_are_crossed() -> None:
    wanted = digits(
        "evaluation.distillers=[{name: ddoq, solver: clvq}, herding]",
        "evaluation.decoders=[plain]",
        "evaluation.weightings=[mass]",
        "evaluation.baselines=[]",
    )
    rows = [tuple(e.labels.values()) for e in entries(wanted)]
    pairs = [("dit", "root"), ("plain", "root"), ("dit", "mass"), ("plain", "mass")]
    methods = ["ddoq"] * 4 + ["ddoq(solver=clvq)"] * 4 + ["herding"]
    assert rows == [(m, *p) for m, p in zip(methods, [*pairs, *pairs, ("-", "-")], strict=True)]


def test_a_random_subset_is_drawn_anew_even_where_sets_are_not() -> None:
    redrawn = {e.distiller["name"]: e.redraw for e in entries(digits("evaluation.redraw=false"))}
    assert redrawn == {"ddoq": False, "random": True, "full": True}


@pytest.mark.parametrize("setting", ["images_per_class=[0]", "labels=offline", "spread=cluster"])
def test_settings_of_the_evaluation_are_checked(setting: str) -> None:
    with pytest.raises(UsageError, match=f"evaluation.{setting.split('=')[0]}"):
        digits(f"evaluation.{setting}")


def test_a_row_that_is_there_is_not_repeated() -> None:
    plain = "evaluation.decoders=[]"
    for again in ("[ddoq]", "[d4m, d4m]"):
        rows = entries(digits(f"evaluation.distillers={again}", plain))
        assert all(row not in rows[:i] for i, row in enumerate(rows))
    twice = entries(digits("evaluation.images_per_class=[1, 1]", plain))
    assert len(twice) == len(entries(digits("evaluation.images_per_class=[1]", plain)))


def test_the_full_data_are_one_row_however_they_are_asked_for() -> None:
    rows = entries(digits("evaluation.distillers=[full]", "evaluation.images_per_class=[1, 2]"))
    assert [e.distiller["name"] for e in rows].count("full") == 1
    assert rows[-1].distiller["name"] == "full"


def test_a_method_that_is_the_same_for_all_seeds_says_so() -> None:
    row = entries(digits("evaluation.baselines=[herding]"))[-1]
    assert not row.redraw
    small = PRESETS["small"]
    assert row.note(small, small) == "one set"


@pytest.mark.parametrize(
    ("name", "note"),
    [("small", "same updates"), ("fkd", "same epochs"), ("minimax_hard", "300 epochs")],
)
def test_the_full_data_say_how_long_they_are_trained_on(name: str, note: str) -> None:
    row, wanted = entries(digits())[-1], PRESETS[name]
    assert row.note(wanted, wanted.on(1300, 10)) == note


def test_a_method_without_a_size_leaves_random_images_without_one(tmp_path, monkeypatch) -> None:
    (tmp_path / "sizeless.py").write_text(
        "class Mine:\n    def distill(self, images, run, seed): ..."
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="so random cannot be given its size"):
        entries(digits("distiller=sizeless:Mine"))
    told = entries(digits("distiller=sizeless:Mine", "evaluation.images_per_class=[3]"))
    assert [e.distiller.get("images_per_class") for e in told] == [None, 3, None]
    alone = entries(digits("distiller=sizeless:Mine", "evaluation.baselines=[full]"))
    assert [e.name for e in alone] == ["sizeless:Mine", ""]


def test_rows_of_one_distiller_are_told_apart_be_they_methods_or_baselines() -> None:
    herding = "[{name: herding, features: pixels}, {name: herding, features: latents}]"
    rows = entries(digits("decoder=plain", f"evaluation.baselines={herding}"))
    names = [e.labels["distiller"] for e in rows if e.distiller["name"] == "herding"]
    assert names == ["herding(features=pixels)", "herding(features=latents)"]
    other = entries(digits("evaluation.baselines=[{name: ddoq, solver: d4m}, uniform]"))
    labels = [tuple(e.labels.values()) for e in other]
    assert ("ddoq(solver=d4m)", "dit", "root") in labels
    assert ("ddoq", "dit", "uniform") in labels
    assert len(set(labels)) == len(labels)


def test_two_rows_of_one_name_are_refused_before_any_work() -> None:
    twins = "[{name: given, path: a, title: x}, {name: given, path: b, title: x}]"
    with pytest.raises(UsageError, match="two rows would have the name x"):
        entries(digits(f"evaluation.distillers={twins}"))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("top1: '60'", "not a quotable number"),
        ("top1: 0.6, images_per_class: ten", "not a quotable number"),
        ("top1: 0.6}, {distiller: x, student: y, protocol: small, top1: 0.7", "has two numbers"),
    ],
)
def test_quoted_numbers_are_looked_at_before_any_work(more: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        digits(f"evaluation.quoted=[{{distiller: x, student: y, protocol: small, {more}}}]")
