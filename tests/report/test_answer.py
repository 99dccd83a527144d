"""Is every outcome said in words, and does the advice follow from it?"""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from ddoq.evaluation.results import Results
from ddoq.evaluation.score import Result, Score
from ddoq.report.advice import seeds_needed
from ddoq.report.answer import Answer, answer

SIZES = {"ddoq": 10, "random": 10, "full": 0, "herding": 10}
CLEAR = (0.90, 0.91, 0.92)
RANDOM = (0.80, 0.805, 0.80)


def result(distiller: str, seed: int, top1: float, **changes: object) -> Result:
    row: dict[str, object] = {
        **{"distiller": distiller, "images_per_class": SIZES.get(distiller, 10)},
        **{"student": "convnet", "protocol": "small", "labels": "soft"},
        **{"seed": seed, "set_seed": seed, "top1": top1, "top5": 1.0, "loss": 0.1},
        **{"seconds": 1.0, "peak_memory_mb": 1.0},
        **({"weighting": "root", "decoder": "plain"} if distiller == "ddoq" else {}),
    }
    return Result(**{**row, **changes})  # type: ignore[arg-type] # fields of any type


def runs(distiller: str, *tops: float, **changes: object) -> list[Result]:
    return [result(distiller, seed, top1, **changes) for seed, top1 in enumerate(tops)]


def hard(distiller: str, *tops: float) -> list[Result]:
    return runs(distiller, *tops, protocol="small_hard", labels="hard")


def said(*parts: list[Result], **pushforward: object) -> Answer:
    return answer(Results([r for part in parts for r in part]), pushforward or None)


@pytest.mark.parametrize(
    ("ours", "words"),
    [
        (CLEAR, "beats random real images under soft labels (+10.8 ± 2.6 points, 3 seeds)."),
        ((0.70, 0.69, 0.71), "is worse than random real images under soft labels (-10.2 ± "),
        ((0.80, 0.90, 0.82), "is not shown to beat random real images under soft labels (+3.8 ± "),
        ((0.84,), "differs from random real images by +4.0 points under soft labels, at a single"),
        ((0.85, 0.855, 0.85), "by the same +5.0 points at each of 3 seeds under soft labels"),
    ],
)
def test_each_verdict_has_its_sentence(ours: tuple[float, ...], words: str):
    [line] = said(runs("ddoq", *ours), runs("random", *RANDOM[: len(ours)])).headline
    assert line.startswith("The set ddoq (root, plain) of 10 images per class ")
    assert words in line


def test_without_random_images_nothing_is_claimed():
    [line] = said(runs("ddoq", *CLEAR)).headline
    assert line.endswith(
        "is not compared with random real images under soft labels: the table has no such row."
    )


def test_only_real_images_have_no_answer():
    found = said(runs("random", *RANDOM), runs("full", 0.9))
    assert found.headline == ("Only real images were measured: there is no set to judge.",)
    assert found.steps == ()


@pytest.mark.parametrize(
    ("soft", "harder", "words"),
    [
        ((0.80, 0.90, 0.82), CLEAR, "Under hard labels it does: +"),
        (CLEAR, CLEAR, "Under hard labels it does too: +"),
        (CLEAR, (0.80, 0.90, 0.82), "Under hard labels it is not shown to: +"),
        ((0.80, 0.90, 0.82), (0.80, 0.90, 0.82), "Under hard labels it is not shown to either: +"),
        (CLEAR, (0.70, 0.69, 0.71), "Under hard labels it is worse: -"),
        (CLEAR, (0.85,), "Under hard labels the difference is +5.0 (n=1), which no test can"),
    ],
)
def test_soft_and_hard_labels_stand_side_by_side(soft, harder, words: str):
    found = said(
        hard("ddoq", *harder), hard("random", *RANDOM), runs("ddoq", *soft), runs("random", *RANDOM)
    )
    assert words in found.headline[0]
    assert any(note.startswith("Soft labels are the teacher's opinions") for note in found.notes)


def test_a_difference_that_does_not_outlast_the_correction_is_hedged():
    many = [runs(f"rival{i}", 0.80, 0.95, 0.70) for i in range(9)]
    found = said(runs("ddoq", 0.83, 0.85, 0.84), runs("random", *RANDOM), *many)
    assert "3 seeds; not certain among all comparisons of its table)" in found.headline[0]
    assert any("evaluation.seeds=6" in step for step in found.steps)


def test_each_size_has_a_line():
    parts = [
        runs(d, *tops, images_per_class=n)
        for n in (1, 10)
        for d, tops in (("ddoq", CLEAR), ("random", RANDOM))
    ]
    first, second = said(*parts).headline
    assert "of 1 image per class beats" in first
    assert "of 10 images per class beats" in second


def test_the_accuracies_name_the_networks_of_all_images_and_the_gap():
    both = [runs("ddoq", *CLEAR, student=s) for s in ("convnet", "vit")]
    [line] = said(*both, runs("random", *RANDOM), runs("full", 0.97)).accuracies
    assert line == (
        "Right on test images, under soft labels (mean of 2 networks): the set 91.0 ± 2.5 %; "
        "random real images 80.2 ± 0.7 %; all images 97.0 % (one seed) on convnet, 7.0 points "
        "above the set at that seed on the same networks."
    )


def test_nearest_is_explained_and_the_synthetic_rows_are_named():
    near = runs("ddoq", *CLEAR, decoder="nearest")
    [note] = said(near, runs("ddoq", *RANDOM)).notes
    assert note.startswith("The images of `nearest` are your own training images, selected; the")
    assert (
        "the synthetic ones are the row plain. The saved set holds such images of your own." in note
    )
    [alone] = said(near).notes
    assert "evaluation.decoders=[plain] adds a row of synthetic ones" in alone


def figures(share: float) -> dict[str, object]:
    row = {"distiller": "ddoq", "images_per_class": 10, "weighting": "root", "decoder": "plain"}
    return {"sets": [{**row, "pixels": {"ratio": 0.1, "share": share}}], "split": "test"}


def test_a_set_of_training_images_is_said_to_be_selected_and_not_to_copy():
    row = {"distiller": "mine", "images_per_class": 10, "weighting": "-", "decoder": "-"}
    sets = [{**row, "pixels": {"ratio": 0.0, "share": 1.0}, "of_training": 1.0}]
    found = said(runs("mine", *CLEAR), sets=sets, split="test")
    assert "The images of mine are training images, selected." in found.notes
    assert not any("copy" in note for note in found.notes)


def test_each_scored_set_has_a_sentence_against_random_images_of_its_size():
    given = {"read": "classes by ids", "note": "one set"}
    found = said(
        runs("a", *CLEAR, **given),
        runs("b", *RANDOM, **given),
        runs("c", 0.95, 0.96, 0.97, images_per_class=1, **given),
        runs("random", *RANDOM),
        runs("random", 0.5, 0.51, 0.5, images_per_class=1),
    )
    of_c, of_a, of_b = found.headline
    assert of_c.startswith("The set c (one set) of 1 image per class beats random real images")
    assert of_a.startswith("The set a (one set) of 10 images per class beats random real images")
    assert of_b.startswith("The set b (one set) of 10 images per class differs from random real")
    assert [line.partition("the set ")[2][:1] for line in found.accuracies] == ["c", "a", "b"]
    assert not any("images_per_class" in step for step in found.steps)


def test_scored_sets_under_two_protocols_keep_a_line_each():
    parts = [f(name, *CLEAR) for f in (runs, hard) for name in ("a", "b")]
    scored = [replace(r, read="classes by ids") for part in parts for r in part]
    found = said(scored, runs("random", *RANDOM), hard("random", *RANDOM))
    assert ["Under hard labels it does too" in line for line in found.headline] == [True, True]


@pytest.mark.parametrize(("share", "warns"), [(0.6, True), (0.4, False)])
def test_near_copies_are_warned_of(share: float, warns: bool):
    found = said(runs("ddoq", *CLEAR), **figures(share))
    assert any("60 % of the images of ddoq" in note for note in found.notes) == warns


def test_the_teachers_accuracy_is_said_and_a_weak_teacher_is_advised_against():
    found = said(runs("ddoq", *CLEAR), runs("full", 0.97), real_in_class=0.6, sets=())
    assert "The teacher itself is right on 60.0 % of test images." in found.notes
    assert any(step.startswith("A better teacher") for step in found.steps)


def steps(*parts: list[Result]) -> str:
    return " ".join(said(*parts).steps)


def test_an_undecided_difference_asks_for_as_many_seeds_as_would_show_it():
    told = steps(runs("ddoq", 0.80, 0.90, 0.85), runs("random", 0.80, 0.80, 0.80))
    needed = seeds_needed(Score((0.0, 0.1, 0.05)))
    assert f"about {needed} would show that the set is better (evaluation.seeds=7)" in told


def test_seeds_for_a_negative_difference_would_show_that_the_set_is_worse():
    below = runs("ddoq", 0.80, 0.70, 0.75), runs("random", 0.80, 0.80, 0.80)
    assert "about 7 would show that the set is worse (evaluation.seeds=7)" in steps(*below)
    above = (runs("ddoq", 0.80, 0.90, 0.85, images_per_class=1),)
    above += (runs("random", 0.80, 0.80, 0.80, images_per_class=1),)
    assert "about 7 would show which is better (" in steps(*below, *above)


def test_a_difference_near_zero_asks_for_no_more_seeds():
    told = steps(runs("ddoq", 0.80, 0.90, 0.71), runs("random", 0.80, 0.80, 0.80))
    assert "Not more seeds" in told
    assert "evaluation.seeds" not in told


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([runs("ddoq", 0.9), runs("random", 0.8)], "evaluation.seeds=5"),
        ([runs("ddoq", *CLEAR)], '"protocols=[small, small_hard]"'),
        ([runs("ddoq", *CLEAR, protocol="rded+lr=1")], "{name: rded, labels: hard, loss: ce}"),
        ([runs("ddoq", *CLEAR)], '"evaluation.decoders=[nearest]"'),
        ([runs("ddoq", *CLEAR), runs("full", 0.99)], "distiller.images_per_class=50"),
        (
            [runs("ddoq", *RANDOM), runs("herding", *CLEAR)],
            "herding in place of ddoq (root, plain)",
        ),
    ],
)
def test_each_rule_of_advice_names_what_to_type(parts: list[list[Result]], words: str):
    assert words in steps(*parts)


@pytest.mark.parametrize(
    ("smallest", "advised"),
    [
        (None, "images_per_class=50)"),
        (60, "images_per_class=50)"),
        (22, "distiller.images_per_class=22, as many as the smallest class has)"),
        (10, ""),
        (9, ""),
    ],
)
def test_no_more_images_are_advised_than_the_smallest_class_has(smallest: int | None, advised: str):
    table = Results([*runs("ddoq", *CLEAR), *runs("full", 0.99)])
    told = " ".join(answer(table, None, smallest).steps)
    assert advised in told
    assert ("More images" in told) == bool(advised)


def test_more_images_are_advised_for_either_kind_where_the_set_is_no_better_than_random():
    told = steps(runs("ddoq", *RANDOM), runs("random", *CLEAR), runs("full", 0.99))
    assert "More images, of the set or random ones alike: all data are up to" in told


def test_a_good_answer_asks_for_nothing():
    assert (
        steps(
            *(
                f(d, *tops)
                for f in (runs, hard)
                for d, tops in (("ddoq", CLEAR), ("random", RANDOM))
            )
        )
        == ""
    )


def test_the_terminal_wraps_the_answer():
    stream = io.StringIO()
    Console(file=stream, width=40).print(said(runs("ddoq", *CLEAR), runs("random", *RANDOM)))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 40
    assert "In words" in lines
    assert "What to try next:" in lines


def test_networks_that_learn_nothing_from_all_images_are_pointed_out():
    told = said(runs("ddoq", 0.6, 0.62), runs("random", 0.5, 0.5), runs("full", 0.56, 0.6))
    assert "All images do no better than the set: in as few updates" in told.notes[0]
    told = said(runs("ddoq", 0.6, 0.62), runs("random", 0.5, 0.5), runs("full", 0.96, 0.9))
    assert not any("no better than the set" in note for note in told.notes)


def test_few_test_images_are_pointed_out():
    results = Results([*runs("ddoq", *CLEAR), *runs("random", *RANDOM)])
    few = [answer(results, num_test_images=n).notes for n in (36, 5000)]
    assert few[0][0].startswith("There are only 36 test images, which alone leaves ± 9 points")
    assert not few[1]


ON_FEW = Results([*hard("ddoq", 0.5, 0.55, 0.6), *hard("random", 0.45, 0.46, 0.45)])


def test_the_headline_itself_says_that_it_holds_on_few_test_images():
    few, many = (answer(ON_FEW, num_test_images=n).headline[0] for n in (24, 5000))
    assert "random real images under hard labels on these 24 test images (+9.7 ± " in few
    assert "test images" not in many


@pytest.mark.parametrize(
    ("share", "key"),
    [
        (0.2, ": data.test_share=0.4 (if you gave them apart, add to them)."),
        (0.4, "."),
        (None, "."),
    ],
)
def test_of_few_test_images_more_are_advised_first_with_the_key_to_type(share, key: str):
    first, *rest = answer(ON_FEW, num_test_images=24, test_share=share).steps
    assert first == f"More test images, as no number of seeds makes up for few{key}"
    assert not any("more seeds" in step.lower() for step in rest)


@pytest.mark.parametrize(
    ("tops", "advised"), [((0.55,), False), ((0.55, 0.45, 0.47), False), ((0.9, 0.4, 0.85), True)]
)
def test_seeds_are_not_advised_for_less_than_few_test_images_leave_open(tops, advised: bool):
    table = Results([*hard("ddoq", *tops), *hard("random", *[0.45] * len(tops))])
    told = [answer(table, num_test_images=n).steps for n in (24, 5000)]
    assert [any("more seeds" in step.lower() for step in steps) for steps in told] == [
        advised,
        True,
    ]


def test_two_seeds_foresee_no_number_of_seeds():
    told = said(runs("ddoq", 0.8, 0.9), runs("random", 0.8, 0.8))
    assert "too few to judge by: evaluation.seeds=5" in " ".join(told.steps)


def test_of_several_sizes_those_that_need_more_seeds_are_named():
    told = steps(
        *(runs("ddoq", *CLEAR), runs("random", *RANDOM)),
        runs("ddoq", 0.80, 0.90, 0.85, images_per_class=1),
        runs("random", 0.80, 0.80, 0.80, images_per_class=1),
    )
    assert "More seeds for ddoq (root, plain), 1 per class: if the difference stays" in told


def test_many_decoders_are_not_listed_in_a_sentence():
    rows = [runs("ddoq", *CLEAR, decoder=d) for d in ("nearest", "a", "b", "c")]
    told = " ".join(said(*rows).notes)
    assert "the synthetic ones are the rows with another decoder." in told


def test_validation_images_are_not_called_test_images():
    told = answer(ON_FEW, num_test_images=24, split="val")
    assert "on these 24 validation images" in told.headline[0]
    assert told.accuracies[0].startswith("Right on validation images, ")
    assert told.notes[0].startswith("There are only 24 validation images")
    assert told.steps[0].startswith("More validation images")
