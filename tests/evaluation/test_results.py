"""Are runs indexed and compared as they should be?"""

import pytest
from scipy import stats

from ddoq.errors import UsageError
from ddoq.evaluation.results import Results
from ddoq.evaluation.score import Comparison, Result, Row

OURS, RANDOM = Row("ddoq", 10, "root", "plain"), Row("random", 10)


def run(row: Row, student: str, seed: int, top1: float, protocol: str = "small") -> Result:
    return Result(
        **vars(row),
        student=student,
        protocol=protocol,
        seed=seed,
        top1=top1,
        top5=1.0,
        loss=0.1,
        seconds=1.0,
        peak_memory_mb=1.0,
        labels="soft",
        set_seed=seed,
    )


def runs(row: Row, values: list[float], student: str = "a") -> list[Result]:
    return [run(row, student, seed, value) for seed, value in enumerate(values)]


def compare(results: list[Result], row: Row, *others: Row) -> list[Comparison]:
    return Results(results).only.compare((row, other) for other in others)


def test_scores_are_taken_per_row_and_student():
    results = runs(OURS, [0.9, 0.8]) + runs(OURS, [0.5], "b") + runs(RANDOM, [0.4])
    part = Results(results).only
    found = {(r, s): part.score(r, s) for r in part.rows for s in part.students}
    assert {key: s.values for key, s in found.items() if s} == {
        (OURS, "a"): (0.9, 0.8),
        (OURS, "b"): (0.5,),
        (RANDOM, "a"): (0.4,),
    }


def test_the_mean_over_architectures_uses_only_complete_seeds():
    results = runs(OURS, [0.9, 0.8, 0.1]) + runs(OURS, [0.5, 0.6], "b")
    assert Results(results).only.mean(OURS).values == pytest.approx((0.7, 0.7))


def test_a_row_without_a_complete_seed_has_no_mean():
    part = Results([run(OURS, "a", 0, 0.9), run(OURS, "b", 1, 0.8)]).only
    assert part.mean(OURS) is None


def test_the_same_run_twice_is_refused():
    with pytest.raises(UsageError, match="seed 0 is listed twice"):
        Results(runs(OURS, [0.9]) * 2)


def test_protocols_are_not_mixed():
    mixed = [run(OURS, "a", 0, 0.9), run(OURS, "a", 1, 0.9, protocol="fkd")]
    with pytest.raises(UsageError, match=r"fkd .*, small"):
        assert Results(mixed).only


def test_the_p_value_is_scipys_paired_test():
    a, b = [0.91, 0.95, 0.93, 0.90], [0.88, 0.94, 0.89, 0.91]
    (comparison,) = compare(runs(OURS, a) + runs(RANDOM, b), OURS, RANDOM)
    assert comparison.p == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)
    assert comparison.adjusted == comparison.p


def test_only_common_seeds_and_architectures_are_compared():
    results = runs(OURS, [0.9, 0.8, 0.7]) + runs(OURS, [0.1, 0.1, 0.1], "b")
    results += runs(RANDOM, [0.5, 0.6])
    (comparison,) = compare(results, OURS, RANDOM)
    assert comparison.difference.values == pytest.approx((0.4, 0.2))


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([0.10, 0.11, 0.12], "better"),
        ([-0.10, -0.11, -0.12], "worse"),
        ([0.1, -0.1, 0.0], "undecided"),
    ],
)
def test_the_verdict_is_where_the_interval_lies(differences: list[float], verdict: str):
    results = runs(OURS, [0.5 + d for d in differences]) + runs(RANDOM, [0.5] * 3)
    assert compare(results, OURS, RANDOM)[0].verdict == verdict


@pytest.mark.parametrize("ours", [[0.9], [0.9, 0.8, 0.7], [0.9, 0.9 + 5e-8, 0.9 - 5e-8]])
def test_without_a_spread_nothing_is_decided(ours: list[float]):
    # The differences 0.1 differ by rounding only, in the last case by that of float32.
    results = runs(OURS, ours) + runs(RANDOM, [round(x - 0.1, 6) for x in ours])
    (comparison,) = compare(results, OURS, RANDOM)
    assert comparison == Comparison(OURS, RANDOM, comparison.difference, None, None)
    assert comparison.verdict == "undecided"


def test_pairs_without_a_test_do_not_count_in_the_correction():
    herding, single = Row("herding", 10), Row("full", 100)
    results = runs(OURS, [0.9, 0.8, 0.85]) + runs(single, [0.95])
    results += runs(RANDOM, [0.7, 0.65, 0.6]) + runs(herding, [0.8, 0.75, 0.7])
    found = compare(results, OURS, RANDOM, single, herding)
    p = [c.p for c in found]
    assert [c.adjusted for c in found] == [pytest.approx(2 * p[0]), None, p[2]]


def test_a_baseline_that_shares_no_seed_is_left_out():
    results = [*runs(OURS, [0.9, 0.8]), run(RANDOM, "a", 7, 0.5)]
    assert compare(results, OURS, RANDOM, Row("absent", 1)) == []


def test_results_show_themselves_as_a_table_for_each_protocol():
    results = Results([*runs(OURS, [0.9, 0.8]), run(RANDOM, "a", 0, 0.5, protocol="<fkd>")])
    assert repr(results).splitlines() == [
        "small, soft labels",
        "  row                 per class  a",
        "  ddoq (root, plain)  10         85.0 ± 63.5",
        "<fkd>, soft labels",
        "  row     per class  a",
        "  random  10         50.0 (n=1)",
    ]
    page = results._repr_html_()
    assert "<td>85.0 ± 63.5</td>" in page
    assert "&lt;fkd&gt;" in page
