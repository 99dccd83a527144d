import pytest

pytest.importorskip("benchmarks", reason="benchmarks are not in the sdist")

from benchmarks.ablate.decomposition import (
    POINTS_FIRST,
    SHRINKAGE_FIRST,
    WEIGHTS_FIRST,
    sentences,
    way,
)
from benchmarks.ablate.means import Mean, Means

_HELD_OUT = {
    ("d4m", "none", "uniform"): 200.0,
    ("d4m", "none", "mass"): 150.0,
    ("d4m", "directions", "uniform"): 140.0,
    ("lloyd", "none", "uniform"): 160.0,
    ("lloyd", "directions", "uniform"): 115.0,
    ("lloyd", "none", "mass"): 120.0,
    ("lloyd", "directions", "mass"): 110.0,
}


def averages(shrunk: float = 110.0) -> Means:
    held = {**_HELD_OUT, ("lloyd", "directions", "mass"): shrunk}
    return {
        (7, *stop): {"w2_held_out": Mean(v, None), "w2_fit": Mean(v / 2, None)}
        for stop, v in held.items()
    }


@pytest.mark.parametrize(
    ("stops", "gains"),
    [
        (POINTS_FIRST, {"points": 40.0, "weights": 40.0, "shrinkage": 10.0}),
        (WEIGHTS_FIRST, {"weights": 50.0, "points": 30.0, "shrinkage": 10.0}),
        (SHRINKAGE_FIRST, {"shrinkage": 60.0, "points": 25.0, "weights": 5.0}),
    ],
)
def test_every_order_leads_from_d4m_to_ours(stops, gains):
    walked = way(averages(), 7, stops, "w2_held_out")
    assert walked.gains == gains
    assert (walked.start, walked.end) == (200.0, 110.0)


def test_sentences_tell_shares_of_the_start_and_what_generalizes():
    points, weights, shrinkage, held = sentences(averages(), [7], ["d4m", "lloyd"])
    assert "(-45.0 %): points -20.0 %, weights -20.0 %, shrinkage -5.0 %" in points
    assert "weights -25.0 %, points -15.0 %, shrinkage -5.0 %" in weights
    assert "shrinkage -30.0 %, points -12.5 %, weights -2.5 %" in shrinkage
    assert "points gain 20.00 in-sample and 40.00 held-out, ratio 2.00" in held


def test_rounding_is_no_gain():
    _, _, _, held = sentences(averages(shrunk=120.0 - 1e-9), [7], ["d4m", "lloyd"])
    assert "shrinkage gain 0 in-sample and 0 held-out;" in held


def test_without_d4m_there_is_nothing_to_tell():
    assert sentences({}, [7], ["lloyd"]) == []
