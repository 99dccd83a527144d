"""Are scores those of Student, and corrections those of Holm?"""

import pytest
from scipy import stats

from ddoq.evaluation.score import Score, holm


def test_the_interval_is_scipys():
    values = [0.91, 0.95, 0.93, 0.90]
    low, high = stats.t.interval(0.95, 3, loc=0.9225, scale=stats.sem(values))
    assert Score(tuple(values)).interval == pytest.approx((low, high), abs=1e-12)


def test_a_worked_interval_of_three_runs():
    # t(0.975, 2) = 4.3027, s = 0.01, so the half width is 4.3027 * 0.01 / sqrt(3).
    score = Score((0.95, 0.96, 0.97))
    assert score.half_width == pytest.approx(0.024841, abs=1e-6)
    assert score.text == "96.0 ± 2.5"


def test_a_single_run_has_no_interval_and_says_so():
    score = Score((0.981,))
    assert (score.half_width, score.interval, score.text) == (None, None, "98.1 (n=1)")


def test_a_difference_is_shown_with_its_sign():
    assert Score((-0.02,)).signed == "-2.0 (n=1)"
    assert Score((0.02, 0.02)).signed == "+2.0 ± 0.0"


def test_a_score_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Score(())


def test_holm_steps_down_and_never_falls():
    # Holm 1979: 4 * 0.005, 3 * 0.01, then 2 * 0.03 = 0.06 carries over to 0.04.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_one():
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
