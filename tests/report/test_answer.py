"""Does the answer in words say what the numbers say, and no more?"""

from collections.abc import Sequence

import pytest

from ddoq.evaluation.results import Results
from ddoq.evaluation.score import Result, Score
from ddoq.report.advice import seeds_needed
from ddoq.report.answer import Answer, answer

COSTS = {"top5": 1.0, "loss": 0.1, "seconds": 1.0, "peak_memory_mb": 1.0}
RANDOM = [0.60, 0.61, 0.59]


def runs(
    distiller: str, values: Sequence[float], *, hard: bool = False, decoder: str = "-"
) -> list[Result]:
    named = {"distiller": distiller, "decoder": decoder, "student": "convnet"}
    under = {"protocol": "small_hard", "labels": "hard"} if hard else {"protocol": "small"}
    return [
        Result(
            **{**COSTS, "labels": "soft", **named, **under},
            images_per_class=0 if distiller == "full" else 10,
            note="same updates" if distiller == "full" else "",
            seed=seed,
            set_seed=seed,
            top1=value,
        )
        for seed, value in enumerate(values)
    ]


def told(*parts: list[Result], **figures: object) -> Answer:
    results = Results([result for part in parts for result in part])
    return answer(results, figures or None)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([0.70, 0.72, 0.71], "beats random real images under soft labels (+11.0 ± 2.5 points"),
        ([0.50, 0.52, 0.51], "is worse than random real images under soft labels (-9.0"),
        ([0.60, 0.66, 0.55], "is not shown to beat random real images under soft labels"),
        ([0.70], "at a single seed; whether that is chance cannot be said"),
    ],
)
def test_the_headline_is_the_comparison_with_random_images(values: list[float], sentence: str):
    [line] = told(runs("ddoq", values, decoder="plain"), runs("random", RANDOM)).headline
    assert sentence in line


def test_without_random_images_nothing_is_claimed():
    [line] = told(runs("ddoq", [0.7, 0.8, 0.9])).headline
    assert "is not compared with random real images" in line


def test_soft_and_hard_labels_stand_side_by_side():
    found = told(
        runs("ddoq", [0.60, 0.66, 0.55]),
        runs("random", RANDOM),
        runs("ddoq", [0.70, 0.72, 0.71], hard=True),
        runs("random", RANDOM, hard=True),
    )
    assert "not shown to beat" in found.headline[0]
    assert "Under hard labels it does: +11.0 ± 2.5" in found.headline[0]
    assert any("Soft labels are the teacher's" in line for line in found.details)


def test_a_difference_that_more_seeds_would_show_asks_for_them():
    found = told(runs("ddoq", [0.60, 0.66, 0.62]), runs("random", RANDOM))
    assert any(step.startswith("More seeds: ") for step in found.steps)


def test_hard_labels_are_proposed_only_where_there_are_none():
    soft = [runs("ddoq", [0.7, 0.72, 0.71]), runs("random", RANDOM)]
    hard = [runs("ddoq", [0.7, 0.72, 0.71], hard=True), runs("random", RANDOM, hard=True)]
    assert any("protocols=[small, small_hard]" in step for step in told(*soft).steps)
    assert not any("Hard labels" in step for step in told(*soft, *hard).steps)


def test_nearest_is_called_what_it_is():
    found = told(runs("ddoq", [0.7, 0.72, 0.71], decoder="nearest"), runs("random", RANDOM))
    assert any("your own training images, selected" in line for line in found.details)


def test_the_teacher_is_judged_if_it_is_known():
    rows = [runs("ddoq", [0.7, 0.72, 0.71]), runs("random", RANDOM), runs("full", [0.95])]
    found = told(*rows, real_in_class=0.8, split="test", sets=[])
    assert "The teacher itself is right on 80.0 % of test images." in found.details
    assert any(step.startswith("A better teacher") for step in found.steps)


def test_the_number_of_seeds_needed_would_just_exclude_zero():
    difference = Score((0.1, 0.0))
    needed = seeds_needed(difference)
    assert needed == 11
    assert seeds_needed(Score((0.1, -0.1))) is None
