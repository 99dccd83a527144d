from ddoq.report.points import describe_points

ROW = {"distortion": 4.0, "effective_share": 0.5, "held_out_distortion": 6.0, "empty_cells": 1}


def test_points_are_described_in_words_with_the_technical_ones_beside_them():
    rows = [ROW, {**ROW, "distortion": 8.0, "held_out_distortion": None}]
    first, advice = describe_points({"certificates": rows, "advice": "fewer"})
    assert first == (
        "points: mean squared distance (distortion) of the latents that they stand for 4, of "
        "latents held out 6 (1 class), evenness of their masses (effective share) 0.50 of 1, "
        "2 empty cells"
    )
    assert advice == "number of points, by distance alone and not by accuracy: fewer"


def test_points_after_inversion_are_said_to_be_there():
    [said] = describe_points({"certificates": [ROW], "points_in": "inverted"})
    assert "of the inverted latents that they stand for 4" in said


def test_a_set_without_certificates_has_no_lines():
    assert describe_points({}) == []
